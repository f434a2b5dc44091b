import { defineConfig } from 'vitest/config';
import { CountReporter } from './vitest.reporter.ts';

/** Short leases, windows, stalls: on a busy machine they would say something else. Nothing runs beside them. */
const timed: string[] = [
  'src/scenarios/kill-matrix/*.integration.test.ts',
  'src/scenarios/session-{interleavings,kills}.integration.test.ts',
  'src/services/gateway/{audit-trail,degraded-limits,interleavings,limits*,process,read-through,sequencer-process,session*,unconfirmed-ends}.integration.test.ts',
  'src/services/api-keys/store.integration.test.ts',
  'src/services/audit/{sequencer,writers}.integration.test.ts',
  'src/services/rate-limit/**/*.integration.test.ts',
  'src/sim/effects/{faults,load,process,testbed}/**/*.integration.test.ts',
];

/** Whole runs whose verdict is about latency, rates or losses. Nothing runs beside them. */
const timedRuns = ['src/cli/{limits,sim,turn1,turn3}.scenario.test.ts'];
const scenarios = {
  // A run that proved nothing is repeated twice; the longest that each may take is in src/cli/fixtures/command.ts.
  testTimeout: 3 * 400_000,
  hookTimeout: 240_000,
};

// Layers: unit (pure, in process), integration (real PostgreSQL, Redis, sockets, Chromium; two files at a time,
// because there are two cores), timed (the same, one at a time), scenario (whole runs through the CLI, two files at a
// time), timed-scenario (the same, one at a time).
const project = (name: string, include: string[], extra: Record<string, unknown> = {}) => ({
  test: { name, include, ...extra },
});
const pairs = (groupOrder: number) => ({ maxWorkers: 2, sequence: { groupOrder } });
const alone = { fileParallelism: false };

export default defineConfig({
  test: {
    reporters: ['default', new CountReporter()],
    projects: [
      project('unit', ['src/**/*.test.{ts,tsx}'], {
        ...pairs(0),
        exclude: ['src/**/*.{integration,scenario}.test.ts'],
        // Property tests on a machine that is busy with something else.
        testTimeout: 20_000,
      }),
      project('integration', ['src/**/*.integration.test.ts'], {
        ...pairs(1),
        exclude: timed,
        testTimeout: 60_000,
        hookTimeout: 120_000,
      }),
      project('timed', timed, { ...alone, testTimeout: 60_000, hookTimeout: 120_000 }),
      project('scenario', ['src/**/*.scenario.test.ts'], {
        ...pairs(2),
        exclude: timedRuns,
        ...scenarios,
      }),
      project('timed-scenario', timedRuns, { ...alone, ...scenarios }),
    ],
  },
});
