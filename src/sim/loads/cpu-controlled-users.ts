/** A population of users, sized by a controller that keeps PostgreSQL's CPU at the documented utilisation. */

import type { LoadContext, LoadKind, LoadOutcome } from '../load-kind.ts';
import { isOutsideBand } from '../pure/load/phase-end.ts';
import type { ArmResult } from '../result.ts';
import type { MeasuredWindow } from '../run/arm-session.ts';
import { CpuControlledPopulation, probeServiceMs } from './cpu-controlled-population.ts';
import { describeMix } from './describe-mix.ts';
import {
  type CalibratedUsers,
  formatSeconds,
  type PopulationLoad,
  phaseGoal,
  populationKind,
  replaceByOpenLoad,
  waitForPhaseGoal,
} from './population.ts';

export interface CpuControlledUsers extends PopulationLoad {
  readonly kind: 'cpu-controlled-users';
}

type Step = ArmResult['calibration'][number];
type Run = LoadKind<CpuControlledUsers>['run'];

/** A phase whose CPU left the band, for instance on a disturbed machine, is measured once more. */
const ATTEMPTS = 2;

export const cpuControlledUsers: LoadKind<CpuControlledUsers> = {
  kind: 'cpu-controlled-users',
  ...populationKind,
  describe({ users, operations }, text) {
    const { minUsers, maxUsers, think, cpuPercent } = users;
    const { target, low, high } = cpuPercent;
    return (
      `${minUsers} to ${maxUsers} users who think ${text.duration(think.meanMs)} between requests; their number is` +
      ` adjusted until PostgreSQL is ${target} % busy (${low} to ${high} %), then held: ${describeMix(operations, text)}.`
    );
  },
  plannedMs: ({ users }) => users.measureMs,
  extraPhases: ['warm-up', 'probe', 'settle'],
  override(load, { ratePerSecond, durationMs = load.users.measureMs, tool }) {
    if (ratePerSecond !== undefined)
      return replaceByOpenLoad(load, { ratePerSecond, tool }, durationMs);
    return { load: { ...load, users: { ...load.users, measureMs: durationMs } } };
  },
  async run(context, phase, load) {
    const { session } = context;
    const { users, operations } = load;
    session.load.setMix({ operations, think: users.think });
    const serviceMs = await probeServiceMs(session, users);
    const population = await CpuControlledPopulation.start(session, users, serviceMs);
    let outcome: LoadOutcome;
    try {
      outcome = await measureCpuControlled(context, phase, { users, population, serviceMs });
    } finally {
      await population.stop();
    }
    await session.load.stopUsers();
    return outcome;
  },
};

interface MeasuredPopulation {
  readonly users: CalibratedUsers;
  readonly population: CpuControlledPopulation;
  readonly serviceMs: number;
}

async function measureCpuControlled(
  { session, slos, measure }: LoadContext,
  { name, judged }: Parameters<Run>[1],
  { users, population, serviceMs }: MeasuredPopulation,
): Promise<LoadOutcome> {
  const aim = `held at ${users.cpuPercent.target} % database CPU, ${formatSeconds(users.think.meanMs)} think time`;
  const calibration: Step[] = [
    {
      users: population.users,
      cpuPercent: null,
      meanUs: Math.round(serviceMs * 1_000),
      note: `probe: ${serviceMs.toFixed(1)} ms of database CPU a request`,
    },
  ];
  const addStep = (phase: string, window: MeasuredWindow, ending: string) => {
    const { mean, text } = population.summarizeSizes();
    const limit = population.isCapped ? '; at the limit: this design does not saturate' : '';
    const cpuPercent = window.utilisation === null ? null : window.utilisation * 100;
    const note = `${phase}: ${text}${limit}${ending === '' ? '' : `; ${ending}`}`;
    session.note(phase, ending);
    calibration.push({ users: mean, cpuPercent, meanUs: Math.round(window.meanUs), note });
  };
  const settle = { name: 'settle', note: `users ${aim}`, plannedMs: users.warmupMs };
  let settled = '';
  const settling = await session.runPhase(settle, async () => {
    settled = await population.settle();
  });
  addStep('settle', settling, settled);
  for (let attempt = 1; ; attempt++) {
    population.resetSizes();
    const attemptName = attempt === 1 ? name : `${name}-${attempt}`;
    const goal = phaseGoal(slos, users.measureMs, population.isCapped ? null : users.cpuPercent);
    let ending = '';
    const window = await measure(
      { name: attemptName, note: `users ${aim}`, plannedMs: goal.plannedMs, judged },
      async () => {
        ending = await waitForPhaseGoal(session, goal);
      },
    );
    const { mean } = population.summarizeSizes();
    addStep(attemptName, window, ending);
    if (attempt < ATTEMPTS && !population.isCapped && !isOnTarget(window, users)) {
      session.discard(attemptName);
      continue;
    }
    return { users: mean, calibration };
  }
}

/** Whether the mean CPU was in the band; true when the CPU cannot be read. */
function isOnTarget({ utilisation }: MeasuredWindow, { cpuPercent }: CalibratedUsers): boolean {
  return !isOutsideBand(cpuPercent, utilisation === null ? null : utilisation * 100, 0);
}
