/**
 * When the operations of an open workload fall due. Arrivals are a process of rate 1 seen through the inverse of
 * the expected count L(t), the integral of the rate: the k-th arrival of a constant workload is where L(t) = k, a
 * Poisson one adds exponential gaps of mean 1 to L. Ramps and stages are exact that way, with no steps and no drift.
 * A burst moves every constant arrival to the burst of its period, so their number stays exact as well.
 */
import { exponential, type Random } from './random.ts';
import type { OpenWorkload } from './workload.ts';

type Stage = OpenWorkload['stages'][number];

/** Expected number of arrivals; for constant arrivals and bursts, rounded up, the exact number. */
export function expectedArrivals(workload: OpenWorkload): number {
  return workload.stages.reduce((sum, stage) => sum + stageArrivals(stage), 0);
}

/** Whole microseconds from the start, in order. Only Poisson arrivals draw. */
export function* arrivalTimes(workload: OpenWorkload, gaps: Random): Generator<number, void> {
  const inverse = inverseExpectedCount(workload);
  const end = expectedArrivals(workload) - 1e-9;
  const poisson = workload.arrivals === 'poisson';
  const place = workload.arrivals === 'bursts' ? burstOf(workload) : Math.floor;
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

/** From an instant to its burst's; at the workload's end for a last one that the offset would move beyond it. */
function burstOf(workload: OpenWorkload): (us: number) => number {
  const everyUs = workload.burstEveryMs! * 1000;
  const offsetUs = (workload.burstOffsetMs ?? 0) * 1000;
  const endUs = durationMs(workload) * 1000;
  // An arrival due at a period's first instant belongs to it, whatever the last bit of the inverse says.
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
