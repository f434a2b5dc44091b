/** The SLOs of turn 2: people get through, whatever the bots do. */
import type { Slo } from '../sim/scenario.ts';
import { honestNames, login } from './turn2-requests.ts';

const botPhases = ['bots'];
export const slos: readonly Slo[] = [
  {
    id: 'people-errors',
    objective: 'errors < 0.1%',
    quickObjective: 'errors < 1%',
    operations: honestNames,
    phases: ['baseline', 'bots', 'liveness'],
  },
  {
    id: 'people-p99',
    objective: 'latency.p99 < 250ms',
    // Code that has run for seconds only is not yet compiled, and several times slower, whatever the design.
    quickObjective: 'latency.p99 < 1s',
    operations: honestNames,
    phases: botPhases,
  },
  {
    id: 'login-errors',
    objective: 'errors < 10%',
    quickObjective: 'errors < 25%',
    operations: [login.name],
    phases: ['baseline', 'bots'],
  },
  {
    id: 'liveness',
    objective: 'errors < 1%',
    quickObjective: 'errors < 5%',
    operations: honestNames,
    phases: ['liveness'],
  },
];
