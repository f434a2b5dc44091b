/**
 * Plans the capacity search from the completed steps alone: rising rates until a step fails twice, then a proof step at
 * the highest passing rate, long enough for the error SLO; if that fails, at the next lower passing rate.
 */
import type { Verdict } from '../../result.ts';

export interface SearchPlan {
  readonly startPerSecond: number;
  readonly factor: number;
  readonly maxPerSecond: number;
  readonly stepMs: number;
  /** Minimum samples of the latency SLOs in a step, and of the error SLOs in a proof. */
  readonly latencySamples: number;
  readonly errorSamples: number;
}

export interface PlannedStep {
  readonly purpose: 'search' | 'repeat' | 'proof';
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** Index of the step that is repeated. */
  readonly repeats: number | null;
}

export interface CompletedStep extends PlannedStep {
  readonly verdict: Verdict;
}

/** After three failed proofs no rate is considered sustained. */
const MAX_PROOFS = 3;
/** Longest step and proof, in multiples of `stepMs`; low rates need time for their samples. */
const MAX_STEP_FACTOR = 5;
const MAX_PROOF_FACTOR = 12;
/** Safety margin for Poisson arrivals: they miss their mean by more than this once in 30,000 times. */
const STANDARD_DEVIATIONS = 4;

/** Null when the search is over. */
export function nextStep(
  plan: SearchPlan,
  completed: readonly CompletedStep[],
): PlannedStep | null {
  const last = completed.at(-1);
  if (last === undefined) return searchStep(plan, plan.startPerSecond);
  if (last.purpose === 'proof') return last.verdict === 'pass' ? null : proofStep(plan, completed);
  if (last.verdict === 'pass') {
    const ratePerSecond = Math.round(last.ratePerSecond * plan.factor);
    return ratePerSecond <= plan.maxPerSecond
      ? searchStep(plan, ratePerSecond)
      : proofStep(plan, completed);
  }
  if (last.purpose === 'repeat') return proofStep(plan, completed);
  return {
    purpose: 'repeat',
    ratePerSecond: last.ratePerSecond,
    durationMs: last.durationMs,
    repeats: completed.length - 1,
  };
}

function searchStep(plan: SearchPlan, ratePerSecond: number): PlannedStep {
  const durationMs = durationFor(plan.latencySamples, ratePerSecond, {
    minMs: plan.stepMs,
    maxMs: plan.stepMs * MAX_STEP_FACTOR,
  });
  return { purpose: 'search', ratePerSecond, durationMs, repeats: null };
}

function proofStep(plan: SearchPlan, completed: readonly CompletedStep[]): PlannedStep | null {
  const proofs = completed.filter(({ purpose }) => purpose === 'proof');
  if (proofs.length >= MAX_PROOFS) return null;
  const below = Math.min(...proofs.map(({ ratePerSecond }) => ratePerSecond));
  const repeats = completed.findLastIndex(
    ({ purpose, verdict, ratePerSecond }) =>
      purpose !== 'proof' && verdict === 'pass' && ratePerSecond < below,
  );
  const passed = completed[repeats];
  if (passed === undefined) return null;
  const { ratePerSecond } = passed;
  const durationMs = durationFor(plan.errorSamples, ratePerSecond, {
    minMs: plan.stepMs,
    maxMs: plan.stepMs * MAX_PROOF_FACTOR,
  });
  return { purpose: 'proof', ratePerSecond, durationMs, repeats };
}

function durationFor(
  samples: number,
  ratePerSecond: number,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
): number {
  const arrivals = samples + STANDARD_DEVIATIONS * Math.sqrt(samples);
  const neededMs = Math.ceil((arrivals / ratePerSecond) * 1_000);
  return Math.min(Math.max(neededMs, minMs), maxMs);
}
