/**
 * When a judged phase ends: after its planned time, once its SLOs have their samples and, with a controlled CPU, once
 * the mean utilisation is in the band. Both waits are bounded. The latency is never consulted: stopping on a favourable
 * latency would bias the result (optional stopping).
 */

export interface PhaseGoal {
  readonly plannedMs: number;
  /** Minimum samples of the SLOs. */
  readonly samples: number;
  /** Percent; null where the CPU is not controlled. */
  readonly cpuBand: CpuBand | null;
}

export interface CpuBand {
  readonly low: number;
  readonly high: number;
}

export interface PhaseProgress {
  readonly elapsedMs: number;
  /** Operations scheduled in the phase so far. */
  readonly samples: number;
  /** Mean since the phase began; null when it cannot be read. */
  readonly cpuPercent: number | null;
}

/** Longest phase, in multiples of the planned time: a slow, disturbed machine yields a fifth of the samples. */
const MAX_FACTOR_FOR_SAMPLES = 5;
const MAX_FACTOR_FOR_CPU = 2;
/** The mean may move by this much between the last poll and the phase's final reading. */
const MARGIN_PERCENT = 0.5;

export type UnmetCondition = 'time' | 'samples' | 'cpu';

/** What the phase still waits for; null when it is over. */
export function unmetCondition(goal: PhaseGoal, progress: PhaseProgress): UnmetCondition | null {
  const { elapsedMs } = progress;
  if (elapsedMs < goal.plannedMs) return 'time';
  if (lacksSamples(goal, progress) && elapsedMs < goal.plannedMs * MAX_FACTOR_FOR_SAMPLES) {
    return 'samples';
  }
  if (isOutsideBand(goal.cpuBand, progress.cpuPercent, MARGIN_PERCENT)) {
    return elapsedMs < goal.plannedMs * MAX_FACTOR_FOR_CPU ? 'cpu' : null;
  }
  return null;
}

/** For the report: how long a phase was extended and what it still lacks; empty for neither. */
export function extensionNote(goal: PhaseGoal, end: PhaseProgress): string {
  const { elapsedMs } = end;
  const tenths = Math.round((elapsedMs - goal.plannedMs) / 100);
  const lacking = [
    ...(lacksSamples(goal, end) ? [`only ${end.samples} of ${goal.samples} samples`] : []),
    ...(isOutsideBand(goal.cpuBand, end.cpuPercent, 0) ? ['CPU not in the band'] : []),
  ].join(', ');
  const extension = tenths <= 5 ? '' : `went on ${(tenths / 10).toFixed(1)} s longer`;
  return [extension, lacking].filter((part) => part !== '').join(': still ');
}

/** False without a band or a reading. */
export function isOutsideBand(
  band: CpuBand | null,
  cpuPercent: number | null,
  margin: number,
): boolean {
  if (band === null || cpuPercent === null) return false;
  return cpuPercent < band.low + margin || cpuPercent > band.high - margin;
}

function lacksSamples(goal: PhaseGoal, progress: PhaseProgress): boolean {
  return progress.samples < goal.samples;
}
