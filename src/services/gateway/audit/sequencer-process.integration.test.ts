/**
 * The compiled sequencer process of a gateway: it chains committed records, is restarted after a crash or without
 * heartbeats, and neither the process nor its lock is left behind.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { commandOf, startTimeOf } from '../../../sim/effects/process/process-table.ts';
import { ownPostgres } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { readCheckpoint } from '../../audit/chain/checkpoint.ts';
import {
  addEvents,
  chained,
  checkpointsIn,
  design,
  ownLog,
  verify,
} from '../../audit/fixtures/chained-log.ts';
import { createSequencerProcess } from '../../audit/sequencer/sequencer-client.ts';
import type { SequencerStart } from '../../audit/sequencer/sequencer-protocol.ts';
import { schemaUrl } from '../fixtures/platform.ts';

const dist = (file: string) => new URL(`../../../../dist/services/${file}`, import.meta.url);
const module = fileURLToPath(dist('gateway/audit/sequencer-process.js'));
const postgres = ownPostgres('sequencer-process');
const log = ownLog(() => postgres.url);

const startOf = (): SequencerStart => ({
  databaseUrl: schemaUrl(postgres.url, log.schema),
  directory: log.directory,
  design,
});

function start(
  given: { heartbeatMs?: number; start?: Partial<SequencerStart>; module?: string } = {},
) {
  const reports: string[] = [];
  const sequenced: { records: number; seconds: number }[] = [];
  const sequencer = createSequencerProcess({
    module,
    ...given,
    start: { ...startOf(), ...given.start },
    observer: { onSequenced: (records, seconds) => sequenced.push({ records, seconds }) },
    report: (error) => reports.push(error.message),
  });
  sequencer.start();
  log.started(sequencer);
  const records = () => sequenced.reduce((sum, one) => sum + one.records, 0);
  return { sequencer, reports, sequenced, records };
}

const locks = () =>
  log.db.query({ text: `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted` });
const untilLocked = () => expect.poll(locks, { timeout: 20_000 }).toHaveLength(1);
const untilGone = (pid: number) =>
  expect.poll(() => startTimeOf(pid), { timeout: 10_000, interval: 10 }).toBeNull();

/** A backlog, in one statement. */
const addMany = (count: number) =>
  log.db.query({
    text: `INSERT INTO audit_logs (event_id, occurred_at, organisation_id, user_id, action, resource_type, outcome,
                                   request_id, region, service)
           SELECT gen_random_uuid(), now(), 1 + n % 20, 7, 'project.read', 'project', 'success', 'r', 'us', 'test'
             FROM generate_series(1, $1) AS n`,
    values: [count],
  });

it('chains records, reports them, and closes with a last batch and a last checkpoint', async () => {
  const { sequencer, records, sequenced, reports } = start();
  await addEvents(log.db, 30);
  await chained(log.db, 30);
  await expect.poll(records).toBe(30);
  expect(sequenced.every(({ seconds }) => seconds >= 0 && seconds < 60)).toBe(true);
  const pid = sequencer.pid()!;
  // Operators find it by name, and its arguments do not show the database URL.
  expect(commandOf(pid)).toBe('audit-sequencer');
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', '')).toBe('audit-sequencer');
  expect(os.getPriority(pid)).toBeGreaterThan(os.getPriority());
  await addEvents(log.db, 7);
  await sequencer.close();
  expect([startTimeOf(pid), sequencer.pid(), await locks()]).toEqual([null, undefined, []]);
  await chained(log.db, 37);
  expect(records()).toBe(37);
  const { shards } = readCheckpoint(checkpointsIn(log.directory).last()!);
  expect(shards.reduce((sum, shard) => sum + Number(shard.records), 0)).toBe(37);
  expect(reports).toEqual([]);
  expect(await verify(log.db, log.directory)).toMatchObject({ verdict: 'pass', records: 37 });
});

it('is restarted after it was killed, and the chain stays intact', async () => {
  const { sequencer, reports } = start();
  for (let kills = 1; kills <= 3; kills += 1) {
    await addEvents(log.db, 10);
    await chained(log.db, 10 * kills);
    const pid = sequencer.pid()!;
    process.kill(pid, 'SIGKILL');
    await untilGone(pid);
    await expect.poll(() => sequencer.pid() ?? pid, { timeout: 10_000 }).not.toBe(pid);
  }
  await untilLocked();
  // Once, not for each kill.
  expect(reports).toEqual(['the audit sequencer process ended: SIGKILL']);
  await sequencer.close();
  expect(await verify(log.db, log.directory)).toMatchObject({ verdict: 'pass', records: 30 });
});

it('is killed and restarted when its heartbeats stop', async () => {
  const { sequencer, reports } = start({ heartbeatMs: 200 });
  await addEvents(log.db, 3);
  await chained(log.db, 3);
  const pid = sequencer.pid()!;
  process.kill(pid, 'SIGSTOP');
  await addEvents(log.db, 3);
  await untilGone(pid);
  await chained(log.db, 6);
  expect(reports).toEqual(['the audit sequencer process ended: no heartbeat for 3 s']);
  await sequencer.close();
  expect(await verify(log.db, log.directory)).toMatchObject({ verdict: 'pass', records: 6 });
});

it('exits with its gateway, also during a backlog, and releases its lock', async () => {
  const records = 60_000;
  await addMany(records);
  const given = { ...startOf(), design: { ...design, maxRecords: 5_000 } };
  const program = `
    const { createSequencerProcess } = await import('${dist('audit/sequencer/sequencer-client.js').href}');
    const sequencer = createSequencerProcess({
      module: ${JSON.stringify(module)},
      start: ${JSON.stringify(given)},
      observer: { onSequenced: (records) => process.send({ pid: sequencer.pid(), records }) },
      report: (error) => console.error(error),
    });
    sequencer.start();
    setInterval(() => {}, 1000);`;
  const gateway = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [{ pid }] = (await once(gateway, 'message')) as [{ pid: number; records: number }];
  gateway.kill('SIGKILL');
  await untilGone(pid);
  await expect.poll(locks, { interval: 10 }).toEqual([]);
  const [left] = await log.db.query<{ records: string }>({
    text: 'SELECT sum(records) AS records FROM audit_blocks',
  });
  expect(Number(left!.records)).toBeGreaterThan(0);
  expect(Number(left!.records)).toBeLessThan(records);

  const next = start({ start: given });
  await chained(log.db, records);
  await next.sequencer.close();
  expect(await verify(log.db, log.directory)).toMatchObject({ verdict: 'pass', records });
});

it('closes within its timeouts while the process or the database does not respond', async () => {
  const stopped = start();
  await untilLocked();
  const pid = stopped.sequencer.pid()!;
  process.kill(pid, 'SIGSTOP');
  const unreachable = start({ start: { databaseUrl: 'postgres://x@127.0.0.1:9/x' } });
  await expect
    .poll(() => unreachable.reports.join(), { timeout: 20_000 })
    .toContain('ECONNREFUSED');
  const startedMs = performance.now();
  await Promise.all([stopped.sequencer.close(), unreachable.sequencer.close()]);
  expect(performance.now() - startedMs).toBeLessThan(8_000);
  expect([startTimeOf(pid), unreachable.sequencer.pid()]).toEqual([null, undefined]);
  await expect.poll(locks).toEqual([]);
});

it('is reported once, retried, and closed at once when it cannot start', async () => {
  const { sequencer, reports } = start({ module: fileURLToPath(dist('gateway/audit/nothing.js')) });
  await expect.poll(() => reports, { timeout: 20_000 }).toHaveLength(1);
  await expect
    .poll(() => sequencer.pid() ?? 0, { timeout: 20_000, interval: 5 })
    .toBeGreaterThan(0);
  await sequencer.close();
  expect(reports).toEqual(['the audit sequencer process ended: exit status 1']);
  expect(sequencer.pid()).toBeUndefined();
});
