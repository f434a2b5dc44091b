/**
 * Retries folded into the operation a person waited for. The history keeps every attempt as a record of its own;
 * a latency or an error that counted attempts would let retries hide the wait and multiply the failures.
 *
 *   scheduled   of the first attempt: the wait began there
 *   done        of the last
 *   outcome     ok when an attempt was ok (it is the last: nobody retries after an answer they like);
 *               else unknown when any attempt was: a timed-out logout may have happened, whatever the
 *               401 to its retry says; else fail
 *
 * Status, error, body, headers, target and request id are those of the last attempt; id, phase and sent of the first.
 */
import type { OperationRecord, Outcome } from '../history.ts';

export interface LogicalOperation extends OperationRecord {
  /** Requests made for it, the first included. */
  readonly attempts: number;
}

/** In the order of their first attempts. A retry whose first attempt is missing stands alone: see brokenChains. */
export function logicalOperations(records: readonly OperationRecord[]): LogicalOperation[] {
  const { retries, firsts } = chainsOf(records);
  return firsts.map((first) => {
    const chain = retries.get(first.id);
    // A property added after the spread costs V8 five times the time and four times the memory.
    return chain === undefined ? { attempts: 1, ...first } : folded([first, ...chain]);
  });
}

/** Retries without their first attempt, and gaps within a chain: records are missing or were written twice. */
export function brokenChains(records: readonly OperationRecord[]): number {
  const { retries, ids } = chainsOf(records);
  let broken = 0;
  for (const [first, chain] of retries) {
    const whole = chain.every(({ attempt }, index) => attempt === index + 2);
    if (!ids.has(first) || !whole) broken += 1;
  }
  return broken;
}

/** Requests for each operation; null when there was none. */
export function amplification(operations: readonly LogicalOperation[]): number | null {
  if (operations.length === 0) return null;
  return operations.reduce((sum, { attempts }) => sum + attempts, 0) / operations.length;
}

interface Chains {
  /** First attempts, and retries that have lost theirs. */
  readonly firsts: readonly OperationRecord[];
  /** By the id of the first attempt, in order of attempts. */
  readonly retries: ReadonlyMap<number, OperationRecord[]>;
  /** Ids of first attempts that are retried. */
  readonly ids: ReadonlySet<number>;
}

function chainsOf(records: readonly OperationRecord[]): Chains {
  const retries = new Map<number, OperationRecord[]>();
  for (const record of records) {
    if (record.retryOf === undefined) continue;
    const chain = retries.get(record.retryOf);
    if (chain === undefined) retries.set(record.retryOf, [record]);
    else chain.push(record);
  }
  const byAttempt = (a: OperationRecord, b: OperationRecord) => (a.attempt ?? 1) - (b.attempt ?? 1);
  for (const chain of retries.values()) chain.sort(byAttempt);
  const ids = new Set<number>();
  for (const { id, retryOf } of records) {
    if (retryOf === undefined && retries.has(id)) ids.add(id);
  }
  const firsts = records.filter(({ retryOf }) => retryOf === undefined || !ids.has(retryOf));
  return { firsts, retries, ids };
}

function folded(chain: readonly OperationRecord[]): LogicalOperation {
  const first = chain[0]!;
  const last = chain.at(-1)!;
  const { id, phase, name, user, scheduledUs } = first;
  const { requestId, doneUs, status, error, body, headers, subject, target } = last;
  return {
    ...{ attempts: chain.length, kind: 'op', id, phase, name, user, requestId, scheduledUs },
    ...{ sentUs: chain.find((attempt) => attempt.sentUs >= 0)?.sentUs ?? -1, doneUs },
    ...{ outcome: outcomeOf(chain), status },
    ...(error === undefined ? {} : { error }),
    ...(body === undefined ? {} : { body }),
    ...(headers === undefined ? {} : { headers }),
    ...(subject === undefined ? {} : { subject }),
    ...(target === undefined ? {} : { target }),
  };
}

function outcomeOf(chain: readonly OperationRecord[]): Outcome {
  if (chain.some(({ outcome }) => outcome === 'ok')) return 'ok';
  return chain.some(({ outcome }) => outcome === 'unknown') ? 'unknown' : 'fail';
}
