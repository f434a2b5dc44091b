/**
 * When a judged phase ends: after its planned time, once it has the samples its SLOs need, and, where a CPU
 * utilisation is held, once its mean is in the band. Both waits are bounded. What the phase measures, a latency, is
 * never looked at: a phase that ended when its latency pleased would prove nothing.
 */

export interface PhaseGoal {
  readonly plannedMs: number;
  /** Operations without which some SLO could only be unknown. */
  readonly samples: number;
  /** Percent; null where no utilisation is held. */
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

/** A machine at a third of its speed gives a third of the samples; one that is disturbed besides, a fifth. */
const PATIENCE_FOR_SAMPLES = 5;
const PATIENCE_FOR_CPU = 2;
/** Between the last look and the phase's own last reading the mean may move by this, in percent of the core. */
const MARGIN = 0.5;

/** What the phase still waits for: `time` before its planned end, null when it is over. */
export type Awaited = 'time' | 'samples' | 'cpu';

export function awaited(goal: PhaseGoal, progress: PhaseProgress): Awaited | null {
  const { elapsedMs } = progress;
  if (elapsedMs < goal.plannedMs) return 'time';
  if (lacksSamples(goal, progress) && elapsedMs < goal.plannedMs * PATIENCE_FOR_SAMPLES) {
    return 'samples';
  }
  if (isOffBand(goal.cpuBand, progress.cpuPercent, MARGIN)) {
    return elapsedMs < goal.plannedMs * PATIENCE_FOR_CPU ? 'cpu' : null;
  }
  return null;
}

/** For the report: how long a phase went on after its planned time and what for; empty when it did not. */
export function extensionNote(goal: PhaseGoal, end: PhaseProgress): string {
  const { elapsedMs } = end;
  const tenths = Math.round((elapsedMs - goal.plannedMs) / 100);
  const lacking = [
    ...(lacksSamples(goal, end) ? [`only ${end.samples} of ${goal.samples} samples`] : []),
    ...(isOffBand(goal.cpuBand, end.cpuPercent, 0) ? ['CPU not in the band'] : []),
  ].join(', ');
  const went = tenths <= 5 ? '' : `went on ${(tenths / 10).toFixed(1)} s longer`;
  return [went, lacking].filter((part) => part !== '').join(': still ');
}

/** A held population has settled once its last stretch was in the band; without a reading nothing can be awaited. */
export function isOffBand(
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
