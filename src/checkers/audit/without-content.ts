/** An operation as a witness shows it: without its body and headers, which may be long. */
import type { OperationRecord } from '../../sim/history.ts';

export function withoutContent(operation: OperationRecord): Partial<OperationRecord> {
  const { body: _, headers: __, ...rest } = operation;
  return rest;
}
