// A user's scenario in one file: any program, with a standby, a cluster and a receiver, under failovers.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readHistory } from '../sim/effects/load/engine/read-history.ts';
import type { ArrivalRecord } from '../sim/history.ts';
import type { Result } from '../sim/result.ts';
import { runCommand } from './fixtures/command.ts';

let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(path.join(tmpdir(), 'platform-shop-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const file = fileURLToPath(new URL('./fixtures/shop-scenario.mjs', import.meta.url));

describe('a scenario of an external service', () => {
  it('is explained with its nodes and faults', async () => {
    const { stdout } = await runCommand(['explain', file], { cwd });
    const text = stdout.replace(/\s+/g, ' ');
    expect(text).toContain('PostgreSQL, standby of postgres');
    expect(text).toContain('receiver with 1 endpoint');
    expect(text).toMatch(/failover of postgres/);
  });

  it('survives the failovers of a database pair and a cluster, and records its arrivals in the history', async () => {
    const { code, stderr } = await runCommand(['sim', file, '--format', 'json,html'], { cwd });
    expect(stderr).not.toContain('never');
    expect(code).toBe(0);
    const folder = path.join(cwd, 'reports', 'shop', 'latest');
    const result = JSON.parse(readFileSync(path.join(folder, 'result.json'), 'utf8')) as Result;
    const after = result.arms.after!;
    expect(after.faults.map(({ outcome }) => outcome)).toEqual(Array(5).fill('healed'));
    const nodes = ['cache', 'hooks', 'postgres', 'shards', 'standby', 'web'];
    expect(Object.keys(after.resources)).toEqual(expect.arrayContaining(nodes));
    expect(Object.keys(result.environment.versions)).toEqual(
      expect.arrayContaining(['postgres', 'standby', 'cache', 'shards']),
    );
    const arrivals: ArrivalRecord[] = [];
    for await (const record of readHistory(path.join(folder, 'history.ndjson.gz')))
      if (record.kind === 'arrival') arrivals.push(record);
    expect(arrivals.length).toBeGreaterThan(50);
    expect(new Set(arrivals.map(({ behaviour }) => behaviour))).toEqual(
      new Set(['healthy', 'hanging']),
    );
    const lastPhase = after.phases.at(-1)!;
    for (const { atUs } of arrivals) expect(atUs).toBeLessThan(lastPhase.endUs + 1e6);
    const { code: verified } = await runCommand(['verify', folder, '--scenario', file], { cwd });
    expect(verified).toBe(0);
  });
});
