import { defineConfig } from 'vitest/config';
import { CountReporter } from './vitest.reporter.ts';

// Three layers: unit (pure, in process), integration (real PostgreSQL, Redis, sockets, Chromium; one file
// at a time, because they share two cores), scenario (whole runs through the CLI).
const project = (name: string, include: string[], extra: Record<string, unknown> = {}) => ({
  test: { name, include, ...extra },
});

export default defineConfig({
  test: {
    reporters: ['default', new CountReporter()],
    projects: [
      project('unit', ['src/**/*.test.{ts,tsx}'], {
        exclude: ['src/**/*.integration.test.ts', 'src/**/*.scenario.test.ts'],
        // Property tests on a machine that is busy with something else.
        testTimeout: 20_000,
      }),
      project('integration', ['src/**/*.integration.test.ts'], {
        fileParallelism: false,
        testTimeout: 60_000,
        hookTimeout: 120_000,
      }),
      project('scenario', ['src/**/*.scenario.test.ts'], {
        fileParallelism: false,
        testTimeout: 300_000,
        hookTimeout: 240_000,
      }),
    ],
  },
});
