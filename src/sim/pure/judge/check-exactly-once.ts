/**
 * Exactly once: every acknowledged operation has one fact, none has two, and every fact belongs to an operation. An
 * operation of unknown outcome may have a fact; one that was never sent has none. O(n).
 */
import type { FactRecord, OperationRecord } from '../../history.ts';
import type { CheckResult } from './check-result.ts';

const WITNESS_LIMIT = 10;

export interface ExactlyOnceInput {
  /** Operations that must have a fact once they are acknowledged. */
  readonly operations: Iterable<OperationRecord>;
  readonly facts: Iterable<FactRecord>;
}

/** `checked` counts acknowledged operations; the verdict is unknown when there is none. */
export function checkExactlyOnce({ operations, facts }: ExactlyOnceInput): CheckResult {
  const byRequest = new Map<string, { operation: OperationRecord; count: number }>();
  for (const operation of operations) {
    byRequest.set(operation.requestId, { operation, count: 0 });
  }
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  const addViolation = (violation: string, record: object) => {
    violations += 1;
    if (witness.length < WITNESS_LIMIT) witness.push({ violation, ...record });
  };

  for (const fact of facts) {
    const entry = byRequest.get(fact.requestId);
    if (entry === undefined) {
      addViolation('phantom: an effect of no operation', fact);
      continue;
    }
    entry.count += 1;
    if (entry.operation.sentUs < 0) addViolation('phantom: the operation never left', fact);
    if (entry.count > 1) addViolation('duplicate: a further effect of one operation', fact);
    if (entry.operation.user !== '' && entry.operation.user !== fact.user) {
      addViolation('misattributed: the effect names another user', fact);
    }
  }

  let checked = 0;
  for (const { operation, count } of byRequest.values()) {
    if (operation.outcome !== 'ok') continue;
    checked += 1;
    if (count === 0) addViolation('lost: acknowledged without an effect', withoutBody(operation));
  }
  if (checked === 0 && violations === 0) {
    return { verdict: 'unknown', checked, violations, witness, reason: 'nothing was acknowledged' };
  }
  return { verdict: violations === 0 ? 'pass' : 'fail', checked, violations, witness };
}

function withoutBody(operation: OperationRecord): Partial<OperationRecord> {
  const { body: _, ...rest } = operation;
  return rest;
}
