/**
 * A limiter without its store stays a limiter: what is admitted is bounded, decisions are quick, what guards
 * credentials is closed, and the store is used again soon after it is back, without a free burst. Stamps are those
 * of the client, so that a process whose clock is wrong gains nothing by it; windows are judged on what is definite.
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import type { InvariantResult } from '../../sim/result.ts';
import { type Crowding, crowding } from './crowding.ts';

type Answer = Omit<InvariantResult, 'id' | 'statement'>;

export interface DegradedDecision {
  readonly requestId: string;
  readonly subject: string;
  /** Process that decided. */
  readonly target: string;
  readonly sentUs: number;
  readonly doneUs: number;
  readonly weight: number;
  readonly admitted: boolean;
  /** `store`: by the store. Null: it did not say. */
  readonly mode: 'store' | 'share' | 'closed' | null;
  readonly tookUs: number | null;
  /** It guards credentials: must not succeed while degraded. */
  readonly credential: boolean;
}

export interface DegradedInput {
  readonly decisions: readonly DegradedDecision[];
  /** When the store was away from some or all. */
  readonly outages: readonly { readonly startUs: number; readonly endUs: number }[];
  readonly targets: readonly string[];
  limitOf(subject: string): number;
  readonly windowUs: number;
  /** Of the limit, in any window: 1.1. */
  readonly factor: number;
  /** After the first at each process. */
  readonly tookLimitUs: number;
  /** After the store is back. */
  readonly backWithinUs: number;
}

const WITNESS_LIMIT = 10;

export function checkDegraded(input: DegradedInput): Answer {
  const { decisions, outages } = input;
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  const report = (violation: string, record: object, units = 1) => {
    violations += units;
    if (witness.length < WITNESS_LIMIT) witness.push({ violation, ...record });
  };
  const windows = fullestWindows(input);
  for (const { subject, found } of windows) {
    if (found.excess > 0)
      report('too much admitted', { subject, units: found.worst, ...found.ends }, found.excess);
  }
  let slowestUs: number | null = null;
  let backUs: number | null = null;
  for (const { target, during, after, firstUs, endUs } of stretches(input)) {
    for (const decision of during.filter(({ sentUs }) => sentUs > firstUs)) {
      slowestUs = Math.max(slowestUs ?? 0, decision.tookUs ?? 0);
      if ((decision.tookUs ?? 0) > input.tookLimitUs) report('a slow decision', { decision });
      if (decision.credential && decision.admitted && decision.doneUs < endUs)
        report('credentials were not closed', { decision });
    }
    for (const decision of after)
      if (decision.credential && decision.admitted && isDegraded(decision))
        report('credentials were not closed', { decision });
    const degraded = after.filter(isDegraded);
    for (const { doneUs } of degraded) backUs = Math.max(backUs ?? 0, doneUs - endUs);
    const late = degraded.filter(({ sentUs }) => sentUs > endUs + input.backWithinUs);
    if (late.length > 0)
      report('degraded long after the store was back', { target, decision: late[0] }, late.length);
  }
  const gap = missing(input);
  const thin = violations === 0 && gap !== null;
  return {
    verdict: violations > 0 ? 'fail' : thin ? 'unknown' : 'pass',
    ...{ checked: outages.length === 0 ? 0 : decisions.length, violations, witness },
    ...(thin ? { reason: gap } : {}),
    figures: [
      {
        ...{ id: 'degraded-worst', label: 'most admitted in one window around it', unit: 'times' },
        value: windows.length === 0 ? null : Math.max(...windows.map(({ ratio }) => ratio)),
      },
      {
        ...{ id: 'degraded-slowest', label: 'slowest decision after the first', unit: 'us' },
        value: slowestUs,
      },
      {
        ...{ id: 'degraded-back', label: 'degraded after the store was back', unit: 'us' },
        value: backUs,
      },
    ],
  };
}

/** From a window before the first outage on: one that ends after it may still reach into it. */
function fullestWindows({ decisions, outages, limitOf, windowUs, factor }: DegradedInput) {
  const [first] = outages.map(({ startUs }) => startUs).sort((a, b) => a - b);
  if (first === undefined) return [];
  const taken = decisions
    .filter(({ admitted, doneUs }) => admitted && doneUs > first - windowUs)
    .map((one) => ({ ...one, fromUs: one.sentUs, toUs: one.doneUs }));
  return [...groupBy(taken, ({ subject }) => subject)].map(([subject, of]) => {
    const limit = limitOf(subject);
    // Units are whole; 1.1 times 100 is a little more than 110.
    const allowed = Math.floor(factor * limit + 1e-9);
    const found: Crowding<(typeof of)[number]> = crowding(of, { limit: allowed, windowUs });
    return { subject, found, ratio: found.worst / limit };
  });
}

const isDegraded = ({ mode }: DegradedDecision) => mode === 'share' || mode === 'closed';

/** Each process in each outage: what it decided meanwhile, and until the next one. */
function* stretches({ decisions, outages, targets }: DegradedInput) {
  const byTarget = groupBy(decisions, ({ target }) => target);
  for (const [index, { startUs, endUs }] of outages.entries()) {
    const nextUs = outages[index + 1]?.startUs ?? Number.POSITIVE_INFINITY;
    for (const target of targets) {
      const of = byTarget.get(target) ?? [];
      const during = of.filter(({ sentUs }) => sentUs >= startUs && sentUs < endUs);
      const after = of.filter(({ sentUs }) => sentUs >= endUs && sentUs < nextUs);
      let firstUs = Number.POSITIVE_INFINITY;
      for (const one of during) if (isDegraded(one)) firstUs = Math.min(firstUs, one.doneUs);
      yield { target, during, after, firstUs, endUs };
    }
  }
}

function missing(input: DegradedInput): string | null {
  if (input.outages.length === 0) return 'the store was never away';
  for (const { target, during, after } of stretches(input)) {
    if (!during.some(isDegraded)) return `no degraded decision on ${target}`;
    if (!after.some(({ mode }) => mode === 'store'))
      return `no decision by the store on ${target} afterwards`;
  }
  return input.decisions.some(({ credential }) => credential) ? null : 'no credentials were tried';
}
