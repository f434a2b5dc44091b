// A kind of load that the package does not ship, registered and run by the whole engine, against a plain program.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeScratch, type Scratch } from './effects/testbed/fixtures/bed.ts';
import { plantedLoad } from './fixtures/planted-load.ts';
import { arm, get, phase, scenario } from './fixtures/small-scenario.ts';
import { LOAD_KINDS } from './load-kinds.ts';
import { resolve } from './plan/resolve.ts';
import type { RunEvent } from './run/run-events.ts';
import { runScenario } from './run.ts';

let scratch: Scratch;
beforeAll(async () => {
  scratch = await makeScratch();
  vi.stubEnv('PLATFORM_CACHE', scratch.cache);
  vi.stubEnv('DATABASE_URL', undefined);
  vi.stubEnv('REDIS_URL', undefined);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await scratch.remove();
});

describe('a load kind from outside', () => {
  it('is run like any other: phase, operations, judgement', async () => {
    const unregister = LOAD_KINDS.register(plantedLoad);
    try {
      const load = { kind: 'x-planted', requests: 40, operation: get } as const;
      const phases = [phase({ name: 'planted', note: 'forty requests', load })];
      const plan = resolve(
        scenario({
          arms: { after: arm({ phases }) },
          slos: [{ id: 'mean', objective: 'latency.mean < 10s' }],
        }),
        { quick: false, seed: 3 },
      );
      const events: RunEvent[] = [];
      const { result } = await runScenario({
        plan,
        outDir: scratch.logFolder,
        keep: false,
        command: 'test',
        signal: new AbortController().signal,
        onEvent: (event) => events.push(event),
      });
      const after = result.arms.after!;
      expect(after.phases.map(({ name, judged }) => [name, judged])).toEqual([['planted', true]]);
      expect(after.operations.get!.count).toBe(40);
      expect(after.slos).toMatchObject([{ id: 'mean', samples: 40, verdict: 'pass' }]);
      expect(result).toMatchObject({ scenario: 'small', seed: 3, quick: false, scaleNote: '' });
      expect(events).toContainEqual(
        expect.objectContaining({ type: 'phase', phase: 'planted', plannedMs: 1_000 }),
      );
      expect(after.validity.map(({ id }) => id)).toContain('other-cpu');
      const runs = path.join(scratch.cache, 'runs');
      expect(existsSync(runs) ? readdirSync(runs) : []).toEqual([]);
    } finally {
      unregister();
    }
  });

  it('leaves neither processes nor interim files when it is stopped in the middle', async () => {
    const unregister = LOAD_KINDS.register(plantedLoad);
    try {
      const load = { kind: 'x-planted', requests: 2_000, operation: get } as const;
      const phases = [phase({ name: 'planted', note: 'thirty seconds', load })];
      const plan = resolve(scenario({ arms: { after: arm({ phases }) } }), {
        quick: false,
        seed: 3,
      });
      const outDir = path.join(scratch.logFolder, 'stopped');
      const stop = new AbortController();
      const isOperations = (name: string) => name.endsWith('.operations.ndjson');
      const files = () =>
        existsSync(outDir) ? readdirSync(outDir, { recursive: true, encoding: 'utf8' }) : [];
      const ended = runScenario({
        plan,
        outDir,
        keep: false,
        command: 'test',
        signal: stop.signal,
        onEvent: () => {},
      });
      await expect.poll(() => files().some(isOperations), { timeout: 10_000 }).toBe(true);
      stop.abort(new Error('Ctrl-C'));
      expect((await ended).result.aborted).toBe(true);
      expect(files().filter((name) => name.endsWith('.ndjson'))).toEqual([]);
      const runs = path.join(scratch.cache, 'runs');
      expect(existsSync(runs) ? readdirSync(runs) : []).toEqual([]);
    } finally {
      unregister();
    }
  });
});
