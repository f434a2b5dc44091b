import { defineConfig } from 'vitest/config';
import { CountReporter } from './vitest.reporter.ts';

/**
 * Assertions about how long something takes, within a few tenths of a second, or about bursts that must come within a
 * part of a window: on a machine that is busy with another file they would say something else. Nothing runs beside them.
 */
const timed: string[] = [
  'src/scenarios/kill-matrix/{audit-crash,limit-levels}.integration.test.ts',
  'src/services/gateway/{degraded-limits,limit-reports}.integration.test.ts',
  'src/services/rate-limit/{bucket-limiter,store}.integration.test.ts',
  'src/sim/effects/load/**/*.integration.test.ts',
];
/** Whole runs whose verdict a neighbour on two cores would decide: CPU, a latency's ratio, a share of failed checks. */
const timedRuns = ['src/cli/{limits,readme,sim,turn1,turn3}.scenario.test.ts'];
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
        // Pure: what a file imports, the next file of the same worker need not load again.
        isolate: false,
        // Property tests on a machine that is busy with something else.
        testTimeout: 20_000,
      }),
      project('integration', ['src/**/*.integration.test.ts'], {
        ...pairs(1),
        exclude: timed,
        globalSetup: 'src/sim/effects/testbed/fixtures/shared-stores-setup.ts',
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
