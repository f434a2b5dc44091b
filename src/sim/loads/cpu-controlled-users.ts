/** A population of users, held at the size that keeps PostgreSQL as busy as documented. */
import type { Window } from '../arm-run.ts';
import type { LoadContext, LoadKind, LoadOutcome } from '../load-kind.ts';
import { mixWords } from '../load-words.ts';
import { isOffBand } from '../pure/phase-end.ts';
import type { ArmResult } from '../result.ts';
import { ControlledPopulation, probeServiceMs } from './controlled-population.ts';
import {
  type CalibratedUsers,
  goalOf,
  openInstead,
  type PopulationLoad,
  populationProblems,
  secondsOf,
  untilDone,
} from './population.ts';

export interface CpuControlledUsers extends PopulationLoad {
  readonly kind: 'cpu-controlled-users';
}

type Step = ArmResult['calibration'][number];
type Run = LoadKind<CpuControlledUsers>['run'];

/** A machine may be disturbed while it is measured; a phase that missed its load is measured once more. */
const ATTEMPTS = 2;

export const cpuControlledUsers: LoadKind<CpuControlledUsers> = {
  kind: 'cpu-controlled-users',
  operations: ({ operations }) => operations,
  mapOperations: (load, change) => ({ ...load, operations: load.operations.map(change) }),
  problems: populationProblems,
  needsOwnCore: true,
  words({ users, operations }, text) {
    const { minUsers, maxUsers, think, cpuPercent } = users;
    const { target, low, high } = cpuPercent;
    return (
      `${minUsers} to ${maxUsers} users who think ${text.length(think.meanMs)} between requests; their number is` +
      ` adjusted until PostgreSQL is ${target} % busy (${low} to ${high} %), then held: ${mixWords(operations, text)}.`
    );
  },
  plannedMs: ({ users }) => users.measureMs,
  ownPhases: ['warm-up', 'probe', 'settle'],
  override(load, { ratePerSecond, durationMs = load.users.measureMs, tool }) {
    if (ratePerSecond !== undefined) return openInstead(load, { ratePerSecond, tool }, durationMs);
    return { load: { ...load, users: { ...load.users, measureMs: durationMs } } };
  },
  async run(context, phase, load) {
    const { arm } = context;
    const { users, operations } = load;
    arm.load.setMix({ operations, think: users.think });
    const serviceMs = await probeServiceMs(arm, users);
    const held = await ControlledPopulation.start(arm, users, serviceMs);
    let outcome: LoadOutcome;
    try {
      outcome = await measureHeld(context, phase, { users, held, serviceMs });
    } finally {
      await held.release();
    }
    await arm.load.stopUsers();
    return outcome;
  },
};

interface Held {
  readonly users: CalibratedUsers;
  readonly held: ControlledPopulation;
  readonly serviceMs: number;
}

async function measureHeld(
  { arm, slos, measure }: LoadContext,
  { name, judged }: Parameters<Run>[1],
  { users, held, serviceMs }: Held,
): Promise<LoadOutcome> {
  const aim = `held at ${users.cpuPercent.target} % database CPU, thinking ${secondsOf(users.think.meanMs)}`;
  const calibration: Step[] = [
    {
      users: held.users,
      cpuPercent: null,
      meanUs: Math.round(serviceMs * 1_000),
      note: `probe: ${serviceMs.toFixed(1)} ms of database CPU a request`,
    },
  ];
  const learnt = (phase: string, window: Window, ending: string) => {
    const { mean, text } = held.sizes();
    const limit = held.isCapped ? '; at the limit: this design does not saturate' : '';
    const cpuPercent = window.utilisation === null ? null : window.utilisation * 100;
    const note = `${phase}: ${text}${limit}${ending === '' ? '' : `; ${ending}`}`;
    arm.note(phase, ending);
    calibration.push({ users: mean, cpuPercent, meanUs: Math.round(window.meanUs), note });
  };
  const settle = { name: 'settle', note: `users ${aim}`, plannedMs: users.warmupMs };
  let settled = '';
  const settling = await arm.phase(settle, async () => {
    settled = await held.settle();
  });
  learnt('settle', settling, settled);
  for (let attempt = 1; ; attempt++) {
    held.mark();
    const attemptName = attempt === 1 ? name : `${name}-${attempt}`;
    const goal = goalOf(slos, users.measureMs, held.isCapped ? null : users.cpuPercent);
    let ending = '';
    const window = await measure(
      { name: attemptName, note: `users ${aim}`, plannedMs: goal.plannedMs, judged },
      async () => {
        ending = await untilDone(arm, goal);
      },
    );
    const { mean } = held.sizes();
    learnt(attemptName, window, ending);
    if (attempt < ATTEMPTS && !held.isCapped && !isOnTarget(window, users)) {
      arm.discard(attemptName);
      continue;
    }
    return { users: mean, calibration };
  }
}

/** Did the phase carry the load that was asked for? Also when its CPU cannot be read. */
function isOnTarget({ utilisation }: Window, { cpuPercent }: CalibratedUsers): boolean {
  return !isOffBand(cpuPercent, utilisation === null ? null : utilisation * 100, 0);
}
