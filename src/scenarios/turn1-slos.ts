/** The SLOs of turn 1: sessions are checked in time, through a storm of logins and while stores are away. */
import type { Slo } from '../sim/scenario.ts';

export const slos: readonly Slo[] = [
  {
    id: 'baseline-p99',
    objective: 'latency.p99 < 100ms',
    operations: ['check'],
    phases: ['baseline'],
  },
  {
    id: 'storm',
    // The goal is 1.2x (bench/login-storm.mjs); D-049 says what was measured and why it is not claimed.
    objective: 'latency.p99 <= 1.5x',
    // The bounds of a p99 of some 550 samples lie a factor of three apart, those of a p95 1.4 (D-087).
    quickObjective: 'latency.p95 <= 2x',
    operations: ['check'],
    phases: ['login-storm'],
    baseline: 'baseline',
  },
  {
    id: 'partition-p99',
    objective: 'latency.p99 < 500ms',
    quickObjective: 'latency.p99 < 1s',
    operations: ['check'],
    phases: ['redis-partition'],
  },
  {
    id: 'partition-errors',
    objective: 'errors < 0.1%',
    quickObjective: 'errors < 1%',
    operations: ['check'],
    phases: ['redis-partition'],
  },
  {
    id: 'logout-errors',
    objective: 'errors < 5%',
    operations: ['logout'],
    phases: ['redis-partition'],
  },
  { id: 'liveness', objective: 'errors < 1%', operations: ['check'], phases: ['liveness'] },
  { id: 'errors', objective: 'errors < 0.1%', operations: ['check'] },
  { id: 'statements', objective: 'cost.statements <= 0.2' },
  // What `before` must miss: a busy machine makes a sound design read half a row for a check, never one for each (D-097).
  { id: 'statement-each', objective: 'cost.statements < 1' },
];
