// kill -9 of the process that owns a PostgreSQL pair and a Redis Cluster, at any moment from start to failover.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { NodeSpec } from '../../../topology.ts';
import { openCache } from '../../process/cache.ts';
import { runsFolder } from '../../process/lease.ts';
import { processesIn, startTimeOf } from '../../process/process-table.ts';
import { runUser } from '../../process/run-user.ts';
import { eventually, fixture } from '../fixtures/bed.ts';

const nodes: Readonly<Record<string, NodeSpec>> = {
  'eu.postgres': { kind: 'postgres', settings: { shared_buffers: '16MB' } },
  replica: { kind: 'postgres', standbyOf: 'eu.postgres' },
  shards: { kind: 'redis', mode: 'cluster' },
};
/** More of them by hand: STORES_KILLS=20. The last moment is in the middle of the failovers. */
const KILLS = Number(process.env.STORES_KILLS ?? 3);
const LAST_MS = 9_000;
const moments = Array.from({ length: KILLS }, (_, index) =>
  Math.round(250 + (LAST_MS * index) / Math.max(1, KILLS - 1)),
);

/** Ids of unattached segments whose creator has ended. */
function abandonedSegments(): string[] {
  const [, ...rows] = readFileSync('/proc/sysvipc/shm', 'utf8').trim().split('\n');
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , , creator, , attached]) => {
      return attached === '0' && startTimeOf(Number(creator)) === null;
    })
    .map(([, id]) => id!);
}

test.runIf(process.platform === 'linux').each(moments)('after %i ms', async (momentMs) => {
  const before = new Set(abandonedSegments());
  const runId = `stores-${process.pid}-${momentMs}`;
  const folder = path.join(runsFolder(await openCache(runUser())), runId);
  const argv = [fixture('stores-owner.mjs'), JSON.stringify({ runId, nodes })];
  const owner = spawn(process.execPath, argv, { cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  owner.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  await eventually('it owns a lease', () => existsSync(folder) || errors !== '');
  await sleep(momentMs);
  const running = processesIn(folder);
  owner.kill('SIGKILL');
  expect(errors).toBe('');
  await eventually('the folder is gone', () => !existsSync(folder));
  expect(running.filter(({ pid, startTime }) => startTimeOf(pid) === startTime)).toEqual([]);
  expect(processesIn(folder)).toEqual([]);
  expect(abandonedSegments().filter((id) => !before.has(id))).toEqual([]);
});
