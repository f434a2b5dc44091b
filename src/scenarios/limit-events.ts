/**
 * Operations as what a limit's checkers read. Evidence gives the instant of a decision on the limiter's clock; an
 * operation without it lies between its sending and its answer, shifted onto that clock by what the others show:
 * each was decided while it was on its way, so the difference of the clocks is known to within a few milliseconds.
 */

import type { LimitEvent } from '../checkers/limits/check-window.ts';
import type { HistoryRecord, OperationRecord } from '../sim/history.ts';
import { evidenceOf, type LimitEvidence } from './limit-evidence.ts';

/** Which operations a limit counts, and as whose. */
export interface Limited {
  /** Names of operations; default all. */
  readonly operations?: readonly string[];
  /** Undefined: this one is not counted. */
  subjectOf(operation: OperationRecord): string | undefined;
  /** Units it takes; default 1. */
  weightOf?(operation: OperationRecord): number;
  /** Its units are given back with the answer: a login that succeeds. */
  refunded?(operation: OperationRecord): boolean;
}

/** A request whose answer never came may still be decided, but not later than this. */
const DECIDED_WITHIN_US = 10_000_000;

export interface Judged {
  readonly operation: OperationRecord;
  readonly evidence: LimitEvidence | null;
  readonly subject: string;
  readonly weight: number;
  readonly refunded: boolean;
}

export function judgedOf(
  history: readonly HistoryRecord[],
  { operations, subjectOf, weightOf = () => 1, refunded = () => false }: Limited,
): Judged[] {
  return history.flatMap((operation) => {
    if (operation.kind !== 'op' || operation.sentUs < 0) return [];
    if (operations !== undefined && !operations.includes(operation.name)) return [];
    const subject = subjectOf(operation);
    if (subject === undefined) return [];
    const asked = { operation, subject, weight: weightOf(operation) };
    return [{ ...asked, evidence: evidenceOf(operation), refunded: refunded(operation) }];
  });
}

/** `policy`: refusals by others say nothing about it, and are left out. */
export function limitEventsOf(
  judged: readonly Judged[],
  { policy, windowUs }: { policy?: string | undefined; windowUs: number },
): LimitEvent[] {
  const clock = clockOf(judged);
  return judged.flatMap((one): LimitEvent[] => {
    const { operation, evidence, subject, weight } = one;
    const { requestId, outcome, sentUs, doneUs } = operation;
    const lateUs = outcome === 'unknown' ? DECIDED_WITHIN_US : 0;
    const whole = { fromUs: sentUs + clock.leastUs, toUs: doneUs + lateUs + clock.mostUs };
    const common = { requestId, subject, weight };
    const byStore = evidence?.mode === 'store';
    const instant = byStore ? { fromUs: evidence.atUs, toUs: evidence.atUs } : whole;
    const kind = byStore ? kindOf(evidence, policy) : kindWithoutStore(one);
    if (kind === null) return [];
    // What is given back excuses a refusal as long as it was held: as if it had been taken a window before its end.
    if (one.refunded && kind === 'admitted')
      return [{ ...common, kind: 'possible', ...instant, toUs: whole.toUs - windowUs }];
    return [{ ...common, kind, ...instant }];
  });
}

/** The same without believing any clock but the client's: for what a wrong clock would hide. */
export function withoutEvidence(judged: readonly Judged[]): Judged[] {
  return judged
    .filter(({ evidence }) => evidence === null || (evidence.admitted && evidence.mode === 'store'))
    .map((one) => ({ ...one, evidence: null }));
}

function kindOf({ admitted, by }: LimitEvidence, policy?: string): LimitEvent['kind'] | null {
  if (admitted) return 'admitted';
  return policy === undefined || by.includes(policy) ? 'refused' : null;
}

/** What a process admits by itself the store may be told later, or not. */
function kindWithoutStore({ operation, evidence }: Judged): LimitEvent['kind'] | null {
  if (evidence !== null) return evidence.admitted ? 'possible' : null;
  if (operation.outcome === 'ok') return 'admitted';
  return operation.status === 429 ? 'refused' : 'possible';
}

/** What is to be added to a stamp of the client; nothing where no evidence shows another clock. */
function clockOf(judged: readonly Judged[]): { leastUs: number; mostUs: number } {
  let leastUs = Number.NEGATIVE_INFINITY;
  let mostUs = Number.POSITIVE_INFINITY;
  for (const { operation, evidence } of judged) {
    if (evidence?.mode !== 'store') continue;
    leastUs = Math.max(leastUs, evidence.atUs - operation.doneUs);
    mostUs = Math.min(mostUs, evidence.atUs - operation.sentUs);
  }
  if (leastUs === Number.NEGATIVE_INFINITY) return { leastUs: 0, mostUs: 0 };
  // Clocks that drift apart leave no common difference: then the whole of it is open.
  return { leastUs: Math.min(leastUs, mostUs), mostUs: Math.max(leastUs, mostUs) };
}
