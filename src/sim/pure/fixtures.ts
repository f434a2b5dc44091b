/** Records for tests of pure code: complete, boring, and overridden where a test cares. */
import type { EffectRecord, OperationRecord } from '../history.ts';

export function operation(id: number, fields: Partial<OperationRecord> = {}): OperationRecord {
  return {
    ...{ kind: 'op', id, phase: 'measure', name: 'read', user: 'u1', requestId: `r${id}` },
    ...{ scheduledUs: id * 1_000, sentUs: id * 1_000 + 10, doneUs: id * 1_000 + 500 },
    ...{ outcome: 'ok', status: 200 },
    ...fields,
  };
}

/** The audit row that `operation` leaves: occurred in the middle of it, on a clock of its own. */
export function effectOf(cause: OperationRecord, fields: Partial<EffectRecord> = {}): EffectRecord {
  const { requestId, user, id } = cause;
  const occurredAtUs = 1_700_000_000_000_000 + cause.sentUs + 100;
  return {
    kind: 'effect',
    name: 'audit',
    requestId,
    user,
    occurredAtUs,
    id: String(id),
    ...fields,
  };
}
