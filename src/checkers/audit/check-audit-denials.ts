/**
 * Denials that are recorded together, with their number, against those that were answered. A kind is everything a record
 * says of a denial: whose, which action, why, from where. Of each kind
 *
 *   answered <= recorded <= answered + those without an answer
 *
 * Records of a kind that was never answered are phantoms: one recorded for another tenant is a phantom there and lost here.
 * Where processes are killed, what they counted since the minute began is lost, and with bad luck the first of a kind: then a
 * kind that was answered a few times must be there, with any number. O(n).
 */
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';
import type { RecordFields } from './check-audit-fields.ts';

const WITNESS_LIMIT = 10;
/** That each of so many was the last of its process is out of the question. */
const FEW = 4;

export interface AuditDenialsInput {
  readonly operations: readonly OperationRecord[];
  /** Records of denials. */
  readonly rows: readonly FactRecord[];
  /** What the record of its kind says; null: the operation is not such a denial. */
  kindOf(operation: OperationRecord): RecordFields | null;
  /** What it says where the credential could not be looked up. */
  otherwiseOf?(operation: OperationRecord): RecordFields | null;
  recordedIn(row: FactRecord): { readonly kind: RecordFields; readonly count: number };
  /** Whether processes were killed, which may lose counts. */
  readonly mayLoseCounts?: boolean;
  /** With fewer kinds answered, the verdict is unknown. */
  readonly mustHaveSeen?: number;
}

interface KindCount {
  readonly kind: RecordFields;
  answered: number;
  unknown: number;
  recorded: number;
}

/** `checked` counts answered denials. */
export function checkAuditDenials(input: AuditDenialsInput): CheckResult {
  const { mayLoseCounts = false, mustHaveSeen = 1 } = input;
  const kindCounts = countKinds(input);
  const witness: Record<string, unknown>[] = [];
  const violations = { lost: 0, phantom: 0 };
  const report = (violation: keyof typeof violations, count: number, one: KindCount) => {
    violations[violation] += count;
    if (witness.length < WITNESS_LIMIT)
      witness.push({ violation: `${violation}: ${count} of a kind`, ...one });
  };
  for (const one of kindCounts) {
    const { answered, unknown, recorded } = one;
    if (recorded > answered + unknown) report('phantom', recorded - answered - unknown, one);
    const least = !mayLoseCounts ? answered : answered < FEW ? 0 : 1;
    if (recorded < least) report('lost', least - recorded, one);
  }
  const checked = kindCounts.reduce((sum, { answered }) => sum + answered, 0);
  const kinds = kindCounts.filter(({ answered }) => answered > 0).length;
  const count = violations.lost + violations.phantom;
  return concludeCheck({
    checked,
    violations: count,
    witness,
    gap: count === 0 && kinds < mustHaveSeen ? `${kinds} kinds of denials were answered` : null,
    figures: [
      { id: 'denials-lost', label: 'denials not recorded', value: violations.lost, unit: 'count' },
      {
        id: 'denials-phantom',
        label: 'denials recorded, but not answered',
        value: violations.phantom,
        unit: 'count',
      },
      { id: 'denial-kinds', label: 'kinds of denials', value: kinds, unit: 'count' },
    ],
  });
}

function countKinds({ operations, rows, recordedIn, ...input }: AuditDenialsInput): KindCount[] {
  const counts = new Map<string, KindCount>();
  const countOf = (kind: RecordFields): KindCount => {
    const fields = Object.entries(kind).filter(([, value]) => value !== undefined);
    const key = JSON.stringify(fields.sort(([a], [b]) => (a < b ? -1 : 1)));
    const one = counts.get(key) ?? { kind, answered: 0, unknown: 0, recorded: 0 };
    counts.set(key, one);
    return one;
  };
  for (const operation of operations) {
    const kind = operation.sentUs < 0 ? null : input.kindOf(operation);
    if (kind === null) continue;
    const otherwise = input.otherwiseOf?.(operation) ?? null;
    if (otherwise !== null) countOf(otherwise).unknown += 1;
    if (operation.outcome === 'unknown') countOf(kind).unknown += 1;
    else countOf(kind).answered += 1;
  }
  for (const row of rows) {
    const { kind, count } = recordedIn(row);
    countOf(kind).recorded += count;
  }
  return [...counts.values()];
}
