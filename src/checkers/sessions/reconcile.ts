/**
 * Unknown outcomes, settled from the server's own record. An operation that was given up may have happened; where
 * its effect is written in the same transaction as the change, the record read at the end knows. Its request id
 * in the record: it happened. Absent: it did not, provided the record was complete when it was read and nothing
 * could happen any more (`settled`); otherwise the operation stays unknown.
 *
 * What was known from an answer is never changed, and a settled operation is marked: that it happened says nothing
 * about when anybody was told, so no promise is counted from its `doneUs`.
 */
import type { EffectRecord, OperationRecord } from '../../sim/history.ts';

export type ReconciledOperation = OperationRecord & { readonly reconciled?: true };

export interface ReconcileInput {
  readonly operations: readonly OperationRecord[];
  readonly effects: Iterable<EffectRecord>;
  /** Operations that leave an effect whenever they happen: name of the operation, name of the effect. */
  readonly decidedBy: Readonly<Record<string, string>>;
  /** Was the record read after everything that had been sent could no longer take effect? */
  readonly settled: boolean;
}

export interface Reconciled {
  readonly operations: readonly ReconciledOperation[];
  /** Unknown outcomes that became ok, became fail, and stayed unknown. */
  readonly toOk: number;
  readonly toFail: number;
  readonly unknown: number;
}

export function reconcile(input: ReconcileInput): Reconciled {
  const { operations, decidedBy, settled } = input;
  const decisive = new Set(Object.values(decidedBy));
  const happened = new Map<string, Set<string>>();
  for (const { name, requestId } of input.effects) {
    if (!decisive.has(name)) continue;
    const requests = happened.get(name);
    if (requests === undefined) happened.set(name, new Set([requestId]));
    else requests.add(requestId);
  }
  const counts = { toOk: 0, toFail: 0, unknown: 0 };
  const reconciled = operations.map((operation): ReconciledOperation => {
    if (operation.outcome !== 'unknown') return operation;
    const effect = Object.hasOwn(decidedBy, operation.name) ? decidedBy[operation.name] : undefined;
    if (effect !== undefined && happened.get(effect)?.has(operation.requestId)) {
      counts.toOk += 1;
      return { ...operation, outcome: 'ok', reconciled: true };
    }
    if (effect !== undefined && settled) {
      counts.toFail += 1;
      return { ...operation, outcome: 'fail', reconciled: true };
    }
    counts.unknown += 1;
    return operation;
  });
  return { operations: reconciled, ...counts };
}
