import { describe, expect, it } from 'vitest';
import { scopeOf } from './slo-scope.ts';

const of = (given: Partial<Parameters<typeof scopeOf>[0]>) =>
  scopeOf({ id: 'p99', objective: 'latency.p99 < 1s', ...given });

describe('the scope of an SLO', () => {
  it.each([
    [{}, undefined],
    [{ operations: ['check'] }, 'check in the judged phases'],
    [{ phases: ['storm', 'heal', 'final'] }, 'every operation in storm, heal and final'],
    [
      { operations: ['check', 'login'], phases: ['storm'], baseline: 'baseline' },
      'check and login in storm, against baseline',
    ],
    [{ objective: 'cost.statements <= 0.1', operations: ['check'] }, undefined],
    [
      { objective: 'latency.p50 < before + 1ms' },
      'every operation in the judged phases, against the same in before',
    ],
    [
      { objective: 'metric.wait_seconds.p99 < 1s', phases: ['calm', 'final'] },
      'every process of the service in calm and final',
    ],
  ])('%j: %s', (given, words) => {
    expect(of(given)).toBe(words);
  });
});
