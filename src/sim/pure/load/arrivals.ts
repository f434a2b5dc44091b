/**
 * Arrival times of an open workload, by time-rescaling: L(t), the integral of the rate, is the expected count. The k-th
 * arrival of a constant workload is where L(t) = k; Poisson arrivals add exponential gaps of mean 1 to L. Ramps and
 * stages are exact, without steps or drift. Bursts move each constant arrival to the burst of its period, so their
 * number is exact too.
 */
import { exponential, type Random } from '../random.ts';
import type { OpenWorkload } from './workload.ts';

type Stage = OpenWorkload['stages'][number];

/** Expected number of arrivals; for constant arrivals and bursts, rounded up, the exact number. */
export function expectedArrivals(workload: OpenWorkload): number {
  return workload.stages.reduce((sum, stage) => sum + stageArrivals(stage), 0);
}

/** Whole microseconds from the start, in order. Only Poisson arrivals draw from `gaps`. */
export function* arrivalTimes(workload: OpenWorkload, gaps: Random): Generator<number, void> {
  const inverse = inverseExpectedCount(workload);
  const end = expectedArrivals(workload) - 1e-9;
  const poisson = workload.arrivals === 'poisson';
  const place = workload.arrivals === 'bursts' ? placeInBurst(workload) : Math.floor;
  let position = poisson ? exponential(gaps, 1) : 0;
  let atUs = 0;
  for (let index = 0; position < end; index += 1) {
    atUs = Math.max(atUs, place(inverse(position)));
    yield atUs;
    position = poisson ? position + exponential(gaps, 1) : index + 1;
  }
}

export function durationMs({ stages }: OpenWorkload): number {
  return stages.reduce((sum, stage) => sum + stage.durationMs, 0);
}

/** Maps an instant to the burst of its period, at most to the workload's end. */
function placeInBurst(workload: OpenWorkload): (us: number) => number {
  const everyUs = workload.burstEveryMs! * 1000;
  const offsetUs = (workload.burstOffsetMs ?? 0) * 1000;
  const endUs = durationMs(workload) * 1000;
  // +0.5 us: rounding of the inverse must not move an arrival at a period's start into the period before.
  return (us) => Math.floor(Math.min(endUs, Math.floor((us + 0.5) / everyUs) * everyUs + offsetUs));
}

function stageArrivals(stage: Stage): number {
  const endRate = stage.endRatePerSecond ?? stage.ratePerSecond;
  return (((stage.ratePerSecond + endRate) / 2) * stage.durationMs) / 1000;
}

/** Microsecond at which the expected count reaches `position`; called with non-decreasing positions. */
function inverseExpectedCount(workload: OpenWorkload): (position: number) => number {
  const { stages } = workload;
  let index = 0;
  let countBefore = 0;
  let usBefore = 0;
  return (position) => {
    let stage = stages[index]!;
    while (index < stages.length - 1 && position >= countBefore + stageArrivals(stage)) {
      countBefore += stageArrivals(stage);
      usBefore += stage.durationMs * 1000;
      index += 1;
      stage = stages[index]!;
    }
    return (
      usBefore + Math.min(stage.durationMs * 1000, timeInStageUs(stage, position - countBefore))
    );
  };
}

/** Solves r t + a t^2 / 2 = count for t, in the form that stays exact for a = 0. */
function timeInStageUs(stage: Stage, count: number): number {
  if (count <= 0) return 0;
  const rate = stage.ratePerSecond;
  const slope = ((stage.endRatePerSecond ?? rate) - rate) / (stage.durationMs / 1000);
  const root = Math.sqrt(Math.max(0, rate * rate + 2 * slope * count));
  return ((2 * count) / (rate + root)) * 1e6;
}
