/**
 * A change and its record stand and fall together: whatever the client was told, or was not, the thing is there if
 * and only if the log says that somebody made it. Compared by the thing's own id. O(n).
 */
import type { EffectRecord } from '../../sim/history.ts';
import { groupBy } from '../../sim/pure/group-by.ts';
import type { InvariantResult } from '../../sim/result.ts';

type Answer = Omit<InvariantResult, 'id' | 'statement'>;
const WITNESS_LIMIT = 10;

export interface AtomicInput {
  /** The things that were made, by `id`. */
  readonly changes: readonly EffectRecord[];
  /** Rows of the log that say so: `subject` is the thing's id. */
  readonly records: readonly EffectRecord[];
}

/** `checked` counts changes; unknown when there was none. */
export function checkAtomic({ changes, records }: AtomicInput): Answer {
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
  const thin = violations === 0 && made.size === 0;
  return {
    verdict: violations > 0 ? 'fail' : thin ? 'unknown' : 'pass',
    ...{ checked: made.size, violations, witness },
    ...(thin ? { reason: 'nothing was changed' } : {}),
  };
}
