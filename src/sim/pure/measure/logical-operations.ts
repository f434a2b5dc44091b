/**
 * Folds retries into logical operations. The history keeps every attempt as a record of its own; counting attempts would
 * hide the user's waiting time and multiply the failures.
 *
 *   scheduled   of the first attempt
 *   done        of the last
 *   outcome     ok when an attempt was ok (always the last); else unknown when any attempt was unknown: a timed-out
 *               logout may have happened, even if its retry got a 401; else fail
 *
 * Status, error, body, headers, target and request id are those of the last attempt; id, phase and sent of the first.
 */
import type { OperationRecord, Outcome } from '../../history.ts';

export interface LogicalOperation extends OperationRecord {
  /** Requests made for it, the first included. */
  readonly attempts: number;
}

/** In the order of their first attempts. A retry whose first attempt is missing stays a separate operation. */
export function logicalOperations(records: readonly OperationRecord[]): LogicalOperation[] {
  const { retries, firsts } = groupRetries(records);
  return firsts.map((first) => {
    const sequence = retries.get(first.id);
    // A property added after the spread costs V8 five times the time and four times the memory.
    return sequence === undefined ? { attempts: 1, ...first } : foldRetries([first, ...sequence]);
  });
}

/** Number of retry sequences with a missing or doubled attempt. */
export function brokenRetrySequences(records: readonly OperationRecord[]): number {
  const { retries, ids } = groupRetries(records);
  let broken = 0;
  for (const [first, sequence] of retries) {
    const isComplete = sequence.every(({ attempt }, index) => attempt === index + 2);
    if (!ids.has(first) || !isComplete) broken += 1;
  }
  return broken;
}

/** Requests per operation; null without operations. */
export function amplification(operations: readonly LogicalOperation[]): number | null {
  if (operations.length === 0) return null;
  return operations.reduce((sum, { attempts }) => sum + attempts, 0) / operations.length;
}

interface RetrySequences {
  /** First attempts, and retries whose first attempt is missing. */
  readonly firsts: readonly OperationRecord[];
  /** By the id of the first attempt, in order of attempts. */
  readonly retries: ReadonlyMap<number, OperationRecord[]>;
  /** Ids of first attempts that are retried. */
  readonly ids: ReadonlySet<number>;
}

function groupRetries(records: readonly OperationRecord[]): RetrySequences {
  const retries = new Map<number, OperationRecord[]>();
  for (const record of records) {
    if (record.retryOf === undefined) continue;
    const sequence = retries.get(record.retryOf);
    if (sequence === undefined) retries.set(record.retryOf, [record]);
    else sequence.push(record);
  }
  const byAttempt = (a: OperationRecord, b: OperationRecord) => (a.attempt ?? 1) - (b.attempt ?? 1);
  for (const sequence of retries.values()) sequence.sort(byAttempt);
  const ids = new Set<number>();
  for (const { id, retryOf } of records) {
    if (retryOf === undefined && retries.has(id)) ids.add(id);
  }
  const firsts = records.filter(({ retryOf }) => retryOf === undefined || !ids.has(retryOf));
  return { firsts, retries, ids };
}

function foldRetries(sequence: readonly OperationRecord[]): LogicalOperation {
  const first = sequence[0]!;
  const last = sequence.at(-1)!;
  const { id, phase, name, user, scheduledUs } = first;
  const { requestId, doneUs, status, error, body, headers, subject, target } = last;
  return {
    attempts: sequence.length,
    kind: 'op',
    id,
    phase,
    name,
    user,
    requestId,
    scheduledUs,
    sentUs: sequence.find((attempt) => attempt.sentUs >= 0)?.sentUs ?? -1,
    doneUs,
    outcome: combineOutcomes(sequence),
    status,
    ...(error === undefined ? {} : { error }),
    ...(body === undefined ? {} : { body }),
    ...(headers === undefined ? {} : { headers }),
    ...(subject === undefined ? {} : { subject }),
    ...(target === undefined ? {} : { target }),
  };
}

function combineOutcomes(sequence: readonly OperationRecord[]): Outcome {
  if (sequence.some(({ outcome }) => outcome === 'ok')) return 'ok';
  return sequence.some(({ outcome }) => outcome === 'unknown') ? 'unknown' : 'fail';
}
