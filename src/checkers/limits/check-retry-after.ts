/**
 * The fields of a refusal are true. Retry-After is whole seconds and never early: a client that waits as long is admitted
 * unless another request took the units. Remaining is never negative and never more than the limit, and the reset is not
 * later than Retry-After. Refusals of one second do not all name the same second.
 *
 *   refusal   |s-----d|..wait..|
 *   retry                        |s-----d|      both by one client; a refusal of it breaks the promise, unless
 *   others             |s?----d?|               something may have been admitted from s of the first to d of the second
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import type { CheckResult } from '../../sim/pure/judge/check-result.ts';
import { countAtMost } from './fullest-window.ts';

export interface LimitedAnswer {
  readonly requestId: string;
  /** All requests of one subject take from the same limits. */
  readonly subject: string;
  readonly sentUs: number;
  readonly doneUs: number;
  readonly weight: number;
  /** `possible`: it is not known whether it was admitted. */
  readonly kind: 'admitted' | 'refused' | 'possible';
  /** The header field as sent; null without one. */
  readonly retryAfter: string | null;
  /** The RateLimit fields, by limit. */
  readonly limits: readonly {
    readonly policy: string;
    readonly limit: number | null;
    readonly remaining: number;
    readonly resetSeconds: number | null;
    /** This limit caused the refusal. */
    readonly refused: boolean;
  }[];
}

export interface RetryAfterInput {
  readonly answers: readonly LimitedAnswer[];
  /** `size` or more refusals in one second are a herd, and must name at least `ticks` different seconds. */
  readonly herd?: { readonly size: number; readonly ticks: number };
  /** Retries that waited for Retry-After, with no other admission meanwhile. */
  readonly mustHaveSeen: { readonly obeyed: number };
}

const WITNESS_LIMIT = 10;
const SECOND_US = 1_000_000;

export function checkRetryAfter({ answers, herd, mustHaveSeen }: RetryAfterInput): CheckResult {
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  const addViolation = (violation: string, record: object) => {
    violations += 1;
    if (witness.length < WITNESS_LIMIT) witness.push({ violation, ...record });
  };
  for (const answer of answers) {
    for (const violation of fieldProblems(answer)) addViolation(violation, { answer });
  }
  let obeyed = 0;
  let early = 0;
  for (const [, ofSubject] of groupBy(answers, ({ subject }) => subject)) {
    for (const { refusal, retry } of obeyedRetries(ofSubject)) {
      obeyed += 1;
      if (retry.kind !== 'refused') continue;
      early += 1;
      addViolation('refused although it waited as told', { refusal, retry });
    }
  }
  const fewestTicks = herd === undefined ? null : fewestHerdTicks(answers, herd.size);
  if (herd !== undefined && fewestTicks !== null && fewestTicks < herd.ticks)
    addViolation('a herd has too few different Retry-After', {
      ticks: fewestTicks,
      least: herd.ticks,
    });
  const gap = `${obeyed} retries that waited as told, ${mustHaveSeen.obeyed} needed`;
  const isUnknown = violations === 0 && obeyed < mustHaveSeen.obeyed;
  return {
    verdict: violations > 0 ? 'fail' : isUnknown ? 'unknown' : 'pass',
    checked: answers.length,
    violations,
    witness,
    ...(isUnknown ? { reason: gap } : {}),
    figures: [
      { id: 'obeyed', label: 'retries that waited as told', value: obeyed, unit: 'count' },
      { id: 'told-early', label: 'of them refused', value: early, unit: 'count' },
      {
        id: 'herd-ticks',
        label: 'fewest moments a herd was told',
        unit: 'count',
        value: fewestTicks,
      },
    ],
  };
}

function* fieldProblems({ kind, retryAfter, limits }: LimitedAnswer): Generator<string> {
  const seconds = secondsOf(retryAfter);
  if (kind === 'refused' && retryAfter === null) yield 'a refusal without Retry-After';
  if (retryAfter !== null && seconds === null) yield 'Retry-After is not whole seconds';
  for (const { limit, remaining, resetSeconds, refused } of limits) {
    if (remaining < 0) yield 'remaining is negative';
    if (limit !== null && remaining > limit) yield 'remaining is more than the limit';
    if (refused && seconds !== null && resetSeconds !== null && resetSeconds > seconds)
      yield 'the reset is later than Retry-After';
  }
}

function secondsOf(retryAfter: string | null): number | null {
  return retryAfter !== null && /^\d{1,10}$/.test(retryAfter) ? Number(retryAfter) : null;
}

interface RetryPromise {
  readonly refusal: LimitedAnswer;
  readonly readyUs: number;
}

/** Requests sent after Retry-After of an earlier refusal, with nothing admitted in between. O(n log n). */
function* obeyedRetries(
  answers: readonly LimitedAnswer[],
): Generator<{ refusal: LimitedAnswer; retry: LimitedAnswer }> {
  const sent = answers.toSorted((a, b) => a.sentUs - b.sentUs);
  const takenSents = sent.filter(({ kind }) => kind !== 'refused').map(({ sentUs }) => sentUs);
  /** Sorted by both times: a later refusal whose wait ends earlier replaces those before it. */
  const promises: RetryPromise[] = [];
  let takenUs = Number.NEGATIVE_INFINITY;
  for (const retry of sent) {
    while (promises.length > 0 && promises[0]!.refusal.sentUs <= takenUs) promises.shift();
    const [first] = promises;
    const own = retry.kind === 'refused' ? 0 : 1;
    const alone =
      countAtMost(takenSents, retry.doneUs) - countAtMost(takenSents, retry.sentUs - 1) === own;
    if (first && retry.kind !== 'possible' && alone && isDue(first, retry))
      yield { refusal: first.refusal, retry };
    if (retry.kind !== 'refused') {
      takenUs = Math.max(takenUs, retry.doneUs);
      continue;
    }
    const seconds = secondsOf(retry.retryAfter);
    if (seconds === null || retry.sentUs <= takenUs) continue;
    const readyUs = retry.doneUs + seconds * SECOND_US;
    while (promises.length > 0 && promises.at(-1)!.readyUs >= readyUs) promises.pop();
    promises.push({ refusal: retry, readyUs });
  }
}

function isDue({ refusal, readyUs }: RetryPromise, retry: LimitedAnswer): boolean {
  return retry.sentUs >= readyUs && retry.weight <= refusal.weight;
}

/** The fewest different seconds in the Retry-After of any herd; null without a herd. */
function fewestHerdTicks(answers: readonly LimitedAnswer[], size: number): number | null {
  const refusals = answers.filter(
    ({ kind, retryAfter }) => kind === 'refused' && secondsOf(retryAfter) !== null,
  );
  let fewest: number | null = null;
  for (const [, herd] of groupBy(refusals, ({ doneUs }) => Math.floor(doneUs / SECOND_US))) {
    if (herd.length < size) continue;
    const ticks = new Set(herd.map(({ retryAfter }) => Number(retryAfter))).size;
    fewest = Math.min(fewest ?? ticks, ticks);
  }
  return fewest;
}
