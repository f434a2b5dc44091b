/**
 * Exactly once: every acknowledged operation has one effect, none has two, and no effect comes from nowhere.
 * An operation of unknown outcome may have its effect or not; one that never left has none.
 * O(n): one map over operations, one pass over effects.
 */
import type { EffectRecord, OperationRecord } from '../history.ts';
import type { InvariantResult } from '../result.ts';

type Answer = Omit<InvariantResult, 'id' | 'statement'>;
const WITNESS_LIMIT = 10;

export interface ExactlyOnceInput {
  /** Operations whose effect is promised when they are acknowledged. */
  readonly operations: Iterable<OperationRecord>;
  readonly effects: Iterable<EffectRecord>;
}

/** `checked` counts acknowledged operations; the verdict is unknown when there is none. */
export function checkExactlyOnce({ operations, effects }: ExactlyOnceInput): Answer {
  const byRequest = new Map<string, { operation: OperationRecord; effects: number }>();
  for (const operation of operations) {
    byRequest.set(operation.requestId, { operation, effects: 0 });
  }
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  const report = (violation: string, record: object) => {
    violations += 1;
    if (witness.length < WITNESS_LIMIT) witness.push({ violation, ...record });
  };

  for (const effect of effects) {
    const entry = byRequest.get(effect.requestId);
    if (entry === undefined) {
      report('phantom: an effect of no operation', effect);
      continue;
    }
    entry.effects += 1;
    if (entry.operation.sentUs < 0) report('phantom: the operation never left', effect);
    if (entry.effects > 1) report('duplicate: a further effect of one operation', effect);
    if (entry.operation.user !== '' && entry.operation.user !== effect.user) {
      report('misattributed: the effect names another user', effect);
    }
  }

  let checked = 0;
  for (const { operation, effects: seen } of byRequest.values()) {
    if (operation.outcome !== 'ok') continue;
    checked += 1;
    if (seen === 0) report('lost: acknowledged without an effect', withoutBody(operation));
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
