/**
 * Maps operations to the limit checkers' input. Evidence gives the instant of a decision on the limiter's clock. An
 * operation without evidence was decided between its sending and its answer; the other operations' evidence bounds the
 * offset between the two clocks to a few milliseconds.
 */

import type { LimitEvent } from '../../checkers/limits/check-window.ts';
import type { HistoryRecord, OperationRecord } from '../../sim/history.ts';
import { type LimitEvidence, parseEvidence, UNAVAILABLE } from './limit-evidence.ts';

/** Which operations a limit counts, and for which subject. */
export interface LimitedOperations {
  /** Names of operations; default all. */
  readonly operations?: readonly string[];
  /** Undefined: the operation is not counted. */
  subjectOf(operation: OperationRecord): string | undefined;
  /** Units it costs; default 1. */
  weightOf?(operation: OperationRecord): number;
  /** Its units are refunded with the answer: a login that succeeds; those of a 503 always are. */
  isRefunded?(operation: OperationRecord): boolean;
}

/** A request without an answer is decided within this time after it was given up. */
export const DECIDED_WITHIN_US = 10_000_000;

export interface LimitedRequest {
  readonly operation: OperationRecord;
  readonly evidence: LimitEvidence | null;
  readonly subject: string;
  readonly weight: number;
  readonly isRefunded: boolean;
}

export function selectLimitedRequests(
  history: readonly HistoryRecord[],
  { operations, subjectOf, weightOf = () => 1, isRefunded = () => false }: LimitedOperations,
): LimitedRequest[] {
  return history.flatMap((operation) => {
    if (operation.kind !== 'op' || operation.sentUs < 0) return [];
    if (operations !== undefined && !operations.includes(operation.name)) return [];
    const subject = subjectOf(operation);
    if (subject === undefined) return [];
    return [
      {
        operation,
        subject,
        weight: weightOf(operation),
        evidence: parseEvidence(operation),
        isRefunded: operation.status === UNAVAILABLE || isRefunded(operation),
      },
    ];
  });
}

/** `policy`: refusals by other policies are left out. */
export function toLimitEvents(
  requests: readonly LimitedRequest[],
  { policy, windowUs }: { policy?: string | undefined; windowUs: number },
): LimitEvent[] {
  const offset = clockOffset(requests);
  return requests.flatMap((one): LimitEvent[] => {
    const { operation, evidence, subject, weight } = one;
    const { requestId, outcome, sentUs, doneUs } = operation;
    const lateUs = outcome === 'unknown' ? DECIDED_WITHIN_US : 0;
    const whole = { fromUs: sentUs + offset.minUs, toUs: doneUs + lateUs + offset.maxUs };
    const common = { requestId, subject, weight };
    const isStoreDecision = evidence?.mode === 'store';
    const instant = isStoreDecision ? { fromUs: evidence.atUs, toUs: evidence.atUs } : whole;
    const kind = isStoreDecision ? kindByStore(evidence, policy) : kindWithoutStore(one);
    if (kind === null) return [];
    // Refunded units may explain a refusal only while they were held: as if taken one window before the refund.
    if (one.isRefunded && kind === 'admitted')
      return [{ ...common, kind: 'possible', ...instant, toUs: whole.toUs - windowUs }];
    return [{ ...common, kind, ...instant }];
  });
}

/** The same requests on the client's clock only, to find what a wrong limiter clock would hide. */
export function withoutEvidence(requests: readonly LimitedRequest[]): LimitedRequest[] {
  return requests
    .filter(({ evidence }) => evidence === null || (evidence.admitted && evidence.mode === 'store'))
    .map((one) => ({ ...one, evidence: null }));
}

function kindByStore(
  { admitted, refusedBy }: LimitEvidence,
  policy?: string,
): LimitEvent['kind'] | null {
  if (admitted) return 'admitted';
  return policy === undefined || refusedBy.includes(policy) ? 'refused' : null;
}

/** What a process admitted without the store may be synchronised to the store later, or not. */
function kindWithoutStore({ operation, evidence }: LimitedRequest): LimitEvent['kind'] | null {
  if (evidence !== null) return evidence.admitted ? 'possible' : null;
  if (operation.outcome === 'ok') return 'admitted';
  return operation.status === 429 ? 'refused' : 'possible';
}

/** Bounds of the offset from the client's clock to the limiter's; 0 without evidence. */
export function clockOffset(requests: readonly Pick<LimitedRequest, 'operation' | 'evidence'>[]): {
  minUs: number;
  maxUs: number;
} {
  let minUs = Number.NEGATIVE_INFINITY;
  let maxUs = Number.POSITIVE_INFINITY;
  for (const { operation, evidence } of requests) {
    if (evidence?.mode !== 'store') continue;
    minUs = Math.max(minUs, evidence.atUs - operation.doneUs);
    maxUs = Math.min(maxUs, evidence.atUs - operation.sentUs);
  }
  if (minUs === Number.NEGATIVE_INFINITY) return { minUs: 0, maxUs: 0 };
  // If the clocks drift, the bounds cross: then the offset may be anything between them.
  return { minUs: Math.min(minUs, maxUs), maxUs: Math.max(minUs, maxUs) };
}
