/** Shared by loads with a finite population: their data, when a measured phase ends, and their replacement under `--rate`. */

import type { LoadOverride, LoadReplacement } from '../load-kind.ts';
import { latencyMinimumSamples } from '../pure/judge/slo.ts';
import { timesFromSend } from '../pure/load/load-tool.ts';
import { extensionNote, type PhaseGoal, unmetCondition } from '../pure/load/phase-end.ts';
import type { OpenWorkload, OperationTemplate } from '../pure/load/workload.ts';
import type { ArmSession } from '../run/arm-session.ts';

/** A finite population, sized so that PostgreSQL's CPU meets a target. */
export interface CalibratedUsers {
  readonly think: { readonly meanMs: number; readonly shape: number };
  /** Target of PostgreSQL's CPU, percent of its cores, and the tolerated band. */
  readonly cpuPercent: { readonly target: number; readonly low: number; readonly high: number };
  /** Documented mean response, used to size the population from the probed service time. */
  readonly expectedMeanMs: number;
  /** Service time that the documented figures imply; used when no arm has been measured. */
  readonly nominalServiceMs: number;
  /** Open arrivals that measure the service time of this machine, far below saturation. */
  readonly probe: { readonly ratePerSecond: number; readonly durationMs: number };
  readonly minUsers: number;
  readonly maxUsers: number;
  /**
   * Every `periodMs` the population is recomputed from the CPU per operation (an exponentially weighted mean with
   * `timeConstantMs`) and from the integral of the utilisation error with `gainPerSecond`.
   */
  readonly control: {
    readonly periodMs: number;
    readonly timeConstantMs: number;
    readonly gainPerSecond: number;
  };
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Length of the judged phase of arms that run under the same population. */
  readonly sameLoadMs: number;
}

export interface PopulationLoad {
  readonly users: CalibratedUsers;
  readonly operations: readonly OperationTemplate[];
}

/** The parts of a load kind that every population shares. */
export const populationKind = {
  operations: ({ operations }: PopulationLoad) => operations,
  mapOperations: <L extends PopulationLoad>(
    load: L,
    change: (operation: OperationTemplate) => OperationTemplate,
  ): L => ({ ...load, operations: load.operations.map(change) }),
  problems: populationProblems,
  needsOwnCore: true,
} as const;

/** Open arrivals of the same operations. */
export function replaceByOpenLoad(
  { operations }: PopulationLoad,
  { ratePerSecond, tool }: LoadOverride & { readonly ratePerSecond: number },
  durationMs: number,
): LoadReplacement<OpenWorkload> {
  const isPaced = timesFromSend(tool);
  const by = tool === null ? '' : ` by ${tool}`;
  return {
    note: `open ${isPaced ? 'arrivals' : 'Poisson arrivals'} at ${ratePerSecond}/s${by}`,
    load: {
      kind: 'open',
      arrivals: isPaced ? 'constant' : 'poisson',
      stages: [{ ratePerSecond, durationMs }],
      operations,
    },
  };
}

function populationProblems({ users, operations }: PopulationLoad): string[] {
  const { minUsers, maxUsers, cpuPercent } = users;
  const { low, target, high } = cpuPercent;
  return [
    ...(operations.length === 0 ? ['a population needs an operation'] : []),
    ...(minUsers >= 1 && minUsers <= maxUsers ? [] : [`${minUsers} to ${maxUsers} users are none`]),
    ...(low <= target && target <= high
      ? []
      : [`a CPU target of ${target} % is not between ${low} and ${high} %`]),
  ];
}

/** `cpuBand`: null where the CPU is not controlled. */
export function phaseGoal(
  slos: readonly { readonly objective: string }[],
  plannedMs: number,
  cpuBand: PhaseGoal['cpuBand'],
): PhaseGoal {
  return { plannedMs, samples: latencyMinimumSamples(slos), cpuBand };
}

const POLL_INTERVAL_MS = 250;

/** Waits until the goal is met or its bound is reached. Returns a note on the extension, empty for none. */
export async function waitForPhaseGoal(session: ArmSession, goal: PhaseGoal): Promise<string> {
  const from = session.cpu.sample();
  const { planned } = await session.load.totals();
  await session.pause(goal.plannedMs);
  for (;;) {
    const samples = (await session.load.totals()).planned - planned;
    const now = session.cpu.sample();
    const utilisation = session.utilisationBetween(from, now);
    const cpuPercent = utilisation === null ? null : utilisation * 100;
    const progress = { elapsedMs: (now.atUs - from.atUs) / 1_000, samples, cpuPercent };
    if (unmetCondition(goal, progress) === null) return extensionNote(goal, progress);
    await session.pause(POLL_INTERVAL_MS);
  }
}

/** `5.0 s` */
export function formatSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
