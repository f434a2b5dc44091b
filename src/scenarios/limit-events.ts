/**
 * Operations as what a limit's checkers read. Evidence gives the instant of a decision on the limiter's clock; an
 * operation without it lies between its sending and its answer, shifted onto that clock by what the others show:
 * each was decided while it was on its way, so the difference of the clocks is known to within a few milliseconds.
 */
import type { HistoryRecord, OperationRecord } from '../sim/history.ts';
import type { LimitEvent } from '../sim/pure/check-window.ts';
import { evidenceOf, type LimitEvidence } from './limit-evidence.ts';

/** Which operations a limit counts, and as whose. */
export interface Limited {
  /** Names of operations; default all. */
  readonly operations?: readonly string[];
  /** Undefined: this one is not counted. */
  subjectOf(operation: OperationRecord): string | undefined;
  /** Units it takes; default 1. */
  weightOf?(operation: OperationRecord): number;
}

/** A request whose answer never came may still be decided, but not later than this. */
const DECIDED_WITHIN_US = 10_000_000;

export interface Judged {
  readonly operation: OperationRecord;
  readonly evidence: LimitEvidence | null;
  readonly subject: string;
  readonly weight: number;
}

export function judgedOf(
  history: readonly HistoryRecord[],
  { operations, subjectOf, weightOf = () => 1 }: Limited,
): Judged[] {
  return history.flatMap((operation) => {
    if (operation.kind !== 'op' || operation.sentUs < 0) return [];
    if (operations !== undefined && !operations.includes(operation.name)) return [];
    const subject = subjectOf(operation);
    if (subject === undefined) return [];
    return [{ operation, evidence: evidenceOf(operation), subject, weight: weightOf(operation) }];
  });
}

/** `policy`: refusals by others say nothing about it, and are left out. */
export function limitEventsOf(judged: readonly Judged[], policy?: string): LimitEvent[] {
  const clock = clockOf(judged);
  return judged.flatMap((one) => {
    const { operation, evidence, subject, weight } = one;
    const { requestId } = operation;
    const common = { requestId, subject, weight };
    if (evidence?.mode === 'store') {
      if (!evidence.admitted && policy !== undefined && !evidence.by.includes(policy)) return [];
      const kind = evidence.admitted ? ('admitted' as const) : ('refused' as const);
      return [{ ...common, kind, fromUs: evidence.atUs, toUs: evidence.atUs }];
    }
    const kind = kindWithoutStore(one);
    if (kind === null) return [];
    const lateUs = operation.outcome === 'unknown' ? DECIDED_WITHIN_US : 0;
    const fromUs = operation.sentUs + clock.leastUs;
    return [{ ...common, kind, fromUs, toUs: operation.doneUs + lateUs + clock.mostUs }];
  });
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
