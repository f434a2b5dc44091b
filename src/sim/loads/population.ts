/** What loads of a finite population share: their users, their samples, and what replaces them under `--rate`. */
import type { ArmRun } from '../arm-run.ts';
import type { LoadOverride, Overridden } from '../load-kind.ts';
import { timesFromSend } from '../pure/load-tool.ts';
import { latencySamplesNeeded } from '../pure/slo.ts';
import type { OpenWorkload, OperationTemplate } from '../pure/workload.ts';
import type { CalibratedUsers } from '../scenario.ts';

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

/** A slow machine answers fewer requests: a judged phase may take this much longer for the samples it needs. */
const PATIENCE = 1.5;
const LOOK_EVERY_MS = 250;

/** Waits for the planned time, and within bounds for as many answers as the latency SLOs need. */
export async function untilEnough(
  run: ArmRun,
  plannedMs: number,
  slos: readonly { readonly objective: string }[],
): Promise<void> {
  const { completed } = await run.load.totals();
  const enough = completed + latencySamplesNeeded(slos);
  await run.pause(plannedMs);
  for (let waitedMs = plannedMs; waitedMs < plannedMs * PATIENCE; waitedMs += LOOK_EVERY_MS) {
    if ((await run.load.totals()).completed >= enough) return;
    await run.pause(LOOK_EVERY_MS);
  }
}

/** `5.0 s` */
export function secondsOf(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
