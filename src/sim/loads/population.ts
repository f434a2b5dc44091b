/** What loads of a finite population share: their users, their samples, and what replaces them under `--rate`. */
import type { ArmRun } from '../arm-run.ts';
import type { LoadOverride, Overridden } from '../load-kind.ts';
import { timesFromSend } from '../pure/load-tool.ts';
import { awaited, extensionNote, type PhaseGoal } from '../pure/phase-end.ts';
import { latencySamplesNeeded } from '../pure/slo.ts';
import type { OpenWorkload, OperationTemplate } from '../pure/workload.ts';

/** A finite population, held at the size that keeps PostgreSQL's CPU at a target. */
export interface CalibratedUsers {
  readonly think: { readonly meanMs: number; readonly shape: number };
  /** Where PostgreSQL's CPU should settle, percent of the cores it was given, and the tolerated band. */
  readonly cpuPercent: { readonly target: number; readonly low: number; readonly high: number };
  /** Documented mean response, used to size the population from the probed service time. */
  readonly expectedMeanMs: number;
  /** Service time the documented figures imply; sizes the population where nothing can be probed. */
  readonly nominalServiceMs: number;
  /** Open arrivals that measure the service time of this machine, far below saturation. */
  readonly probe: { readonly ratePerSecond: number; readonly durationMs: number };
  readonly minUsers: number;
  readonly maxUsers: number;
  /**
   * The population is corrected every `periodMs`: by the CPU per operation, which is forgotten over `memoryMs`, and
   * by the integral of the distance to the target, with `gainPerSecond`.
   */
  readonly hold: {
    readonly periodMs: number;
    readonly memoryMs: number;
    readonly gainPerSecond: number;
  };
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Judged phase of the other arms under the same population. */
  readonly sameLoadMs: number;
}

export interface PopulationLoad {
  readonly users: CalibratedUsers;
  readonly operations: readonly OperationTemplate[];
}

/** Open arrivals of the same operations. */
export function openInstead(
  { operations }: PopulationLoad,
  { ratePerSecond, tool }: LoadOverride & { readonly ratePerSecond: number },
  durationMs: number,
): Overridden<OpenWorkload> {
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

export function populationProblems({ users, operations }: PopulationLoad): string[] {
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

/** When a measured phase of a population is over. `cpuBand`: where the CPU is to be held; null where it is not. */
export function goalOf(
  slos: readonly { readonly objective: string }[],
  plannedMs: number,
  cpuBand: PhaseGoal['cpuBand'],
): PhaseGoal {
  return { plannedMs, samples: latencySamplesNeeded(slos), cpuBand };
}

const LOOK_EVERY_MS = 250;

/** Waits until the phase has what it needs, or may not wait longer. Says what it went on for. */
export async function untilDone(arm: ArmRun, goal: PhaseGoal): Promise<string> {
  const from = arm.cpu.sample();
  const { planned } = await arm.load.totals();
  await arm.pause(goal.plannedMs);
  for (;;) {
    const samples = (await arm.load.totals()).planned - planned;
    const now = arm.cpu.sample();
    const utilisation = arm.utilisationBetween(from, now);
    const cpuPercent = utilisation === null ? null : utilisation * 100;
    const progress = { elapsedMs: (now.atUs - from.atUs) / 1_000, samples, cpuPercent };
    if (awaited(goal, progress) === null) return extensionNote(goal, progress);
    await arm.pause(LOOK_EVERY_MS);
  }
}

/** `5.0 s` */
export function secondsOf(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
