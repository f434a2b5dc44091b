/**
 * Reconciles unknown outcomes with the server's own record. An operation that timed out may have happened; if it
 * writes a fact in the same transaction as its change, the record tells. The fact with its request id is there: it
 * happened. Absent: it did not, provided the record was read after the last possible effect (`isRecordFinal`);
 * otherwise the operation stays unknown.
 *
 * A known outcome is never changed, and a reconciled operation is marked: it was not acknowledged at its `doneUs`, so
 * nothing is guaranteed from then on.
 */
import type { FactRecord, OperationRecord } from '../../sim/history.ts';

export type ReconciledOperation = OperationRecord & { readonly reconciled?: true };

export interface ReconcileInput {
  readonly operations: readonly OperationRecord[];
  readonly facts: Iterable<FactRecord>;
  /** Operations that write a fact whenever they happen: name of the operation, name of the fact. */
  readonly recordedAs: Readonly<Record<string, string>>;
  /** Whether the record was read when nothing that had been sent could still take effect. */
  readonly isRecordFinal: boolean;
}

export interface Reconciled {
  readonly operations: readonly ReconciledOperation[];
  /** Unknown outcomes that became ok, became fail, and stayed unknown. */
  readonly toOk: number;
  readonly toFail: number;
  readonly unknown: number;
}

export function reconcile(input: ReconcileInput): Reconciled {
  const { operations, recordedAs, isRecordFinal } = input;
  const factNames = new Set(Object.values(recordedAs));
  const requestsByFact = new Map<string, Set<string>>();
  for (const { name, requestId } of input.facts) {
    if (!factNames.has(name)) continue;
    const requests = requestsByFact.get(name);
    if (requests === undefined) requestsByFact.set(name, new Set([requestId]));
    else requests.add(requestId);
  }
  const counts = { toOk: 0, toFail: 0, unknown: 0 };
  const reconciled = operations.map((operation): ReconciledOperation => {
    if (operation.outcome !== 'unknown') return operation;
    const factName = Object.hasOwn(recordedAs, operation.name)
      ? recordedAs[operation.name]
      : undefined;
    if (factName !== undefined && requestsByFact.get(factName)?.has(operation.requestId)) {
      counts.toOk += 1;
      return { ...operation, outcome: 'ok', reconciled: true };
    }
    if (factName !== undefined && isRecordFinal) {
      counts.toFail += 1;
      return { ...operation, outcome: 'fail', reconciled: true };
    }
    counts.unknown += 1;
    return operation;
  });
  return { operations: reconciled, ...counts };
}
