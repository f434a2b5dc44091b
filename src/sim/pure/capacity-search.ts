/**
 * The search for the rate an arm holds, as a plan that depends only on what was tried: rising steps until one
 * breaks twice, then a proof at the highest step that held, long enough for the error SLO; where the proof
 * breaks, at the next lower one.
 */
import type { Verdict } from '../result.ts';

export interface SearchPlan {
  readonly startPerSecond: number;
  readonly factor: number;
  readonly maxPerSecond: number;
  readonly stepMs: number;
  /** Arrivals that every latency SLO needs in a step, and the error SLO in the proof. */
  readonly latencySamples: number;
  readonly errorSamples: number;
}

export interface PlannedStep {
  readonly purpose: 'search' | 'repeat' | 'proof';
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** Index of the step that is put to the test again. */
  readonly repeats: number | null;
}

export interface TriedStep extends PlannedStep {
  readonly verdict: Verdict;
}

/** A proof that breaks costs one step; a machine on which three break holds nothing steadily. */
const MOST_PROOFS = 3;
/** At a low rate samples take time: a step and a proof may last this many times `stepMs`. */
const LONGEST_STEP = 5;
const LONGEST_PROOF = 12;
/** Poisson arrivals miss their mean by more than four standard deviations once in 30,000 times. */
const DEVIATIONS = 4;

/** Null when the search is over. */
export function nextStep(plan: SearchPlan, tried: readonly TriedStep[]): PlannedStep | null {
  const last = tried.at(-1);
  if (last === undefined) return searchStep(plan, plan.startPerSecond);
  if (last.purpose === 'proof') return last.verdict === 'pass' ? null : proofStep(plan, tried);
  if (last.verdict === 'pass') {
    const ratePerSecond = Math.round(last.ratePerSecond * plan.factor);
    return ratePerSecond <= plan.maxPerSecond
      ? searchStep(plan, ratePerSecond)
      : proofStep(plan, tried);
  }
  if (last.purpose === 'repeat') return proofStep(plan, tried);
  return {
    purpose: 'repeat',
    ratePerSecond: last.ratePerSecond,
    durationMs: last.durationMs,
    repeats: tried.length - 1,
  };
}

function searchStep(plan: SearchPlan, ratePerSecond: number): PlannedStep {
  const durationMs = durationFor(plan.latencySamples, ratePerSecond, {
    atLeastMs: plan.stepMs,
    atMostMs: plan.stepMs * LONGEST_STEP,
  });
  return { purpose: 'search', ratePerSecond, durationMs, repeats: null };
}

function proofStep(plan: SearchPlan, tried: readonly TriedStep[]): PlannedStep | null {
  const proofs = tried.filter(({ purpose }) => purpose === 'proof');
  if (proofs.length >= MOST_PROOFS) return null;
  const below = Math.min(...proofs.map(({ ratePerSecond }) => ratePerSecond));
  const repeats = tried.findLastIndex(
    ({ purpose, verdict, ratePerSecond }) =>
      purpose !== 'proof' && verdict === 'pass' && ratePerSecond < below,
  );
  const held = tried[repeats];
  if (held === undefined) return null;
  const { ratePerSecond } = held;
  const durationMs = durationFor(plan.errorSamples, ratePerSecond, {
    atLeastMs: plan.stepMs,
    atMostMs: plan.stepMs * LONGEST_PROOF,
  });
  return { purpose: 'proof', ratePerSecond, durationMs, repeats };
}

function durationFor(
  samples: number,
  ratePerSecond: number,
  { atLeastMs, atMostMs }: { readonly atLeastMs: number; readonly atMostMs: number },
): number {
  const arrivals = samples + DEVIATIONS * Math.sqrt(samples);
  const neededMs = Math.ceil((arrivals / ratePerSecond) * 1_000);
  return Math.min(Math.max(neededMs, atLeastMs), atMostMs);
}
