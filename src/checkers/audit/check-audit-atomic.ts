/**
 * A change and its audit record are atomic: whatever the response was, the resource exists if and only if the log has
 * a record of its creation. Compared by the id of the resource. O(n).
 */
import type { FactRecord } from '../../sim/history.ts';
import { groupBy } from '../../sim/pure/group-by.ts';
import type { CheckResult } from '../../sim/pure/judge/check-result.ts';

const WITNESS_LIMIT = 10;

export interface AtomicInput {
  /** The resources that exist, by `id`. */
  readonly changes: readonly FactRecord[];
  /** Rows of the log about their creation: `subject` is the id of the resource. */
  readonly records: readonly FactRecord[];
}

/** `checked` counts changes; unknown when there was none. */
export function checkAuditAtomic({ changes, records }: AtomicInput): CheckResult {
  const bySubject = groupBy(records, ({ subject = '' }) => subject);
  const made = new Map(changes.map((change) => [change.id, change]));
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  const report = (violation: string, record: object) => {
    violations += 1;
    if (witness.length < WITNESS_LIMIT) witness.push({ violation, ...record });
  };
  for (const change of made.values()) {
    const [record, ...more] = bySubject.get(change.id) ?? [];
    if (record === undefined) report('changed without a record', change);
    else if (more.length > 0) report('recorded more than once', { change, records: more });
    else if (change.user !== '' && record.user !== change.user)
      report('recorded as another user', { change, record });
  }
  for (const record of records)
    if (!made.has(record.subject ?? '')) report('recorded without a change', record);
  const isEmpty = violations === 0 && made.size === 0;
  return {
    verdict: violations > 0 ? 'fail' : isEmpty ? 'unknown' : 'pass',
    checked: made.size,
    violations,
    witness,
    ...(isEmpty ? { reason: 'nothing was changed' } : {}),
  };
}
