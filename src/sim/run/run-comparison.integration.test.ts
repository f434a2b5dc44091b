import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture, makeScratch, type Scratch } from '../effects/testbed/fixtures/bed.ts';
import { runComparison } from './run-comparison.ts';

let scratch: Scratch;
beforeAll(async () => {
  scratch = await makeScratch();
});
afterAll(async () => {
  await scratch.remove();
});

const notes: string[] = [];
let runs = 0;
const run = (
  params: Record<string, unknown> = { rounds: 3 },
  signal = new AbortController().signal,
) => {
  runs += 1;
  return runComparison({
    spec: { name: 'comparison', module: fixture('comparison.mjs'), params },
    runId: `compare-${process.pid}-${runs}`,
    logFolder: scratch.logFolder,
    seed: 7,
    signal,
    onNote: (text: string) => void notes.push(text),
    env: scratch.env,
  });
};
const runsLeft = () => {
  const folder = path.join(scratch.cache, 'runs');
  return existsSync(folder) ? readdirSync(folder) : [];
};

describe('runComparison', () => {
  it('gives the process a Redis of its own, reads what it wrote and leaves nothing', async () => {
    const comparison = await run();
    expect(comparison.rows).toEqual([{ name: 'fixture', ours: true, values: { seed: 7 } }]);
    const { redis: given, rounds } = JSON.parse(comparison.note);
    expect({ prefixed: given.namespace !== '', rounds }).toEqual({ prefixed: true, rounds: 3 });
    const redis = new Redis(given.url, { lazyConnect: true, retryStrategy: () => null });
    redis.on('error', () => {});
    await expect(redis.connect()).rejects.toThrow();
    expect(runsLeft()).toEqual([]);
    expect(notes).toEqual([]);
  });

  it('refuses what is no comparison, and leaves nothing then either', async () => {
    for (const write of [{}, { columns: [], rows: [], chart: { column: 'x', limit: null } }])
      await expect(run({ write })).rejects.toThrow(/wrote no comparison/);
    expect(runsLeft()).toEqual([]);
  });

  it('ends with the run', async () => {
    await expect(run({}, AbortSignal.abort(new Error('stopped')))).rejects.toThrow();
    expect(runsLeft()).toEqual([]);
  });
});
