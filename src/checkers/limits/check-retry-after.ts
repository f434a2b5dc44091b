/**
 * What a refusal says is true. Retry-After is whole seconds and never early: a client that waits as told and then
 * finds nobody in its way is admitted. What is left of a limit is never negative and never more than the limit, and
 * a reset is not promised later than the retry. Refusals given at one moment do not all name the same moment.
 *
 *   refusal   |s-----d|..wait..|
 *   retry                        |s-----d|      both by one client; a refusal of it breaks the promise, unless
 *   others             |s?----d?|               something may have been admitted from s of the first to d of the second
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import type { InvariantResult } from '../../sim/result.ts';
import { countUpTo } from './crowding.ts';

type Answer = Omit<InvariantResult, 'id' | 'statement'>;

export interface LimitedAnswer {
  readonly requestId: string;
  /** Whom the refusal is about: everybody who takes from the same limits. */
  readonly subject: string;
  readonly sentUs: number;
  readonly doneUs: number;
  readonly weight: number;
  /** `possible`: may have been admitted, or not. */
  readonly kind: 'admitted' | 'refused' | 'possible';
  /** The field as it was sent; null when it was not. */
  readonly retryAfter: string | null;
  /** What it says of each limit. */
  readonly limits: readonly {
    readonly policy: string;
    readonly limit: number | null;
    readonly remaining: number;
    readonly resetSeconds: number | null;
    /** It is the reason of this refusal. */
    readonly refused: boolean;
  }[];
}

export interface RetryAfterInput {
  readonly answers: readonly LimitedAnswer[];
  /** Refusals within one second of one another are a herd from `size` on, and must name this many moments. */
  readonly herd?: { readonly size: number; readonly ticks: number };
  /** Retries that waited as told, with nobody in their way. */
  readonly mustHaveSeen: { readonly obeyed: number };
}

const WITNESS_LIMIT = 10;
const SECOND_US = 1_000_000;

export function checkRetryAfter({ answers, herd, mustHaveSeen }: RetryAfterInput): Answer {
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  const report = (violation: string, record: object) => {
    violations += 1;
    if (witness.length < WITNESS_LIMIT) witness.push({ violation, ...record });
  };
  for (const answer of answers) {
    for (const violation of fieldProblems(answer)) report(violation, { answer });
  }
  let obeyed = 0;
  let early = 0;
  for (const [, of] of groupBy(answers, ({ subject }) => subject)) {
    for (const { refusal, retry } of obeyedRetries(of)) {
      obeyed += 1;
      if (retry.kind !== 'refused') continue;
      early += 1;
      report('refused although it waited as told', { refusal, retry });
    }
  }
  const fewestTicks = herd === undefined ? null : ticksOfHerds(answers, herd.size);
  if (herd !== undefined && fewestTicks !== null && fewestTicks < herd.ticks)
    report('a herd is told one moment', { ticks: fewestTicks, least: herd.ticks });
  const gap = `${obeyed} retries that waited as told, ${mustHaveSeen.obeyed} needed`;
  const thin = violations === 0 && obeyed < mustHaveSeen.obeyed;
  return {
    verdict: violations > 0 ? 'fail' : thin ? 'unknown' : 'pass',
    ...{ checked: answers.length, violations, witness },
    ...(thin ? { reason: gap } : {}),
    figures: [
      { id: 'obeyed', label: 'retries that waited as told', value: obeyed, unit: 'count' },
      { id: 'told-early', label: 'of them refused', value: early, unit: 'count' },
      {
        ...{ id: 'herd-ticks', label: 'fewest moments a herd was told', unit: 'count' },
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

interface Promised {
  readonly refusal: LimitedAnswer;
  readonly readyUs: number;
}

/** Requests sent after a promise had come true, with nothing admitted in between. O(n log n). */
function* obeyedRetries(
  of: readonly LimitedAnswer[],
): Generator<{ refusal: LimitedAnswer; retry: LimitedAnswer }> {
  const sent = of.toSorted((a, b) => a.sentUs - b.sentUs);
  const takenSents = sent.filter(({ kind }) => kind !== 'refused').map(({ sentUs }) => sentUs);
  /** Earliest first in both: what was promised later and comes true earlier replaces what was before. */
  const promises: Promised[] = [];
  let takenUs = Number.NEGATIVE_INFINITY;
  for (const retry of sent) {
    while (promises.length > 0 && promises[0]!.refusal.sentUs <= takenUs) promises.shift();
    const [first] = promises;
    const own = retry.kind === 'refused' ? 0 : 1;
    const alone =
      countUpTo(takenSents, retry.doneUs) - countUpTo(takenSents, retry.sentUs - 1) === own;
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

function isDue({ refusal, readyUs }: Promised, retry: LimitedAnswer): boolean {
  return retry.sentUs >= readyUs && retry.weight <= refusal.weight;
}

/** The fewest different moments any herd was told; null when there was none. */
function ticksOfHerds(answers: readonly LimitedAnswer[], size: number): number | null {
  const told = answers.filter(
    ({ kind, retryAfter }) => kind === 'refused' && secondsOf(retryAfter) !== null,
  );
  let fewest: number | null = null;
  for (const [, herd] of groupBy(told, ({ doneUs }) => Math.floor(doneUs / SECOND_US))) {
    if (herd.length < size) continue;
    const ticks = new Set(herd.map(({ retryAfter }) => Number(retryAfter))).size;
    fewest = Math.min(fewest ?? ticks, ticks);
  }
  return fewest;
}
