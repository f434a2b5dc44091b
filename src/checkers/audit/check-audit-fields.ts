/**
 * Every field of a record against what the client sent and what its account is. The scenario says what the record of an
 * operation must hold; here each field is compared. A field that is the same in every record proves little, because a
 * constant would pass: the fields in `mustHaveSeen` must have had two different values, otherwise the verdict is
 * unknown. O(n x fields).
 */
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';
import { smallestRateFigure } from '../../sim/pure/judge/smallest-rate.ts';
import { withoutContent } from './without-content.ts';

const WITNESS_LIMIT = 10;

/** By name. Null: the record has no such value. Absent or undefined: any value is right, nothing is compared. */
export type RecordFields = Readonly<Record<string, string | number | null | undefined>>;

export interface AuditFieldsInput {
  readonly operations: readonly OperationRecord[];
  readonly rows: readonly FactRecord[];
  expectedOf(operation: OperationRecord): RecordFields;
  /** A field that the record does not have is absent. */
  recordedIn(row: FactRecord): RecordFields;
  readonly mustHaveSeen?: readonly string[];
}

/** What was compared of one field. */
interface Coverage {
  compared: number;
  first: string | number | null;
  /** At least two values, null aside. */
  differs: boolean;
}

/** `checked` counts records of known operations; duplicates and phantoms are another check's. */
export function checkAuditFields(input: AuditFieldsInput): CheckResult {
  const { operations, rows, expectedOf, recordedIn, mustHaveSeen = [] } = input;
  const byRequest = new Map(operations.map((one) => [one.requestId, one]));
  const coverage = new Map<string, Coverage>();
  const witness: Record<string, unknown>[] = [];
  const wrongFields = new Map<string, number>();
  let [checked, violations] = [0, 0];
  for (const row of rows) {
    const operation = byRequest.get(row.requestId);
    if (operation === undefined || operation.sentUs < 0) continue;
    checked += 1;
    const recorded = recordedIn(row);
    for (const [field, expected] of Object.entries(expectedOf(operation))) {
      if (expected === undefined) continue;
      noteCompared(coverage, field, expected);
      const found = recorded[field] ?? null;
      if (found === expected) continue;
      violations += 1;
      wrongFields.set(field, (wrongFields.get(field) ?? 0) + 1);
      // The first of each field, so that one defect does not hide another.
      if (witness.length < WITNESS_LIMIT && wrongFields.get(field) === 1)
        witness.push({
          violation: `${field}: recorded ${found ?? 'nothing'}, right is ${expected ?? 'nothing'}`,
          row,
          operation: withoutContent(operation),
        });
    }
  }
  const gap = violations > 0 ? null : findGap(checked, coverage, mustHaveSeen);
  return concludeCheck({
    checked,
    violations,
    witness,
    gap,
    figures: figuresOf(coverage, wrongFields, mustHaveSeen),
  });
}

function noteCompared(coverage: Map<string, Coverage>, field: string, value: Coverage['first']) {
  const known = coverage.get(field);
  if (known === undefined) {
    coverage.set(field, { compared: 1, first: value, differs: false });
    return;
  }
  known.compared += 1;
  if (value === null || known.differs) return;
  if (known.first === null) known.first = value;
  else if (known.first !== value) known.differs = true;
}

function findGap(
  checked: number,
  coverage: ReadonlyMap<string, Coverage>,
  mustHaveSeen: readonly string[],
): string | null {
  if (checked === 0) return 'no record was compared';
  const missing = mustHaveSeen.filter((field) => coverage.get(field)?.differs !== true);
  return missing.length === 0 ? null : `no two different values of ${missing.join(', ')}`;
}

/** The rate is that of the field compared least among those that must be seen, or else among all. */
function figuresOf(
  coverage: ReadonlyMap<string, Coverage>,
  wrongFields: ReadonlyMap<string, number>,
  mustHaveSeen: readonly string[],
): CheckResult['figures'] & object {
  const counted = [...coverage].filter(
    ([field]) => mustHaveSeen.length === 0 || mustHaveSeen.includes(field),
  );
  const compared = counted.map(([, one]) => one.compared);
  const least = compared.reduce((low, count) => Math.min(low, count), Number.POSITIVE_INFINITY);
  const total = [...coverage.values()].reduce((sum, one) => sum + one.compared, 0);
  const wrong = [...wrongFields.values()].reduce((sum, count) => sum + count, 0);
  return [
    { id: 'fields-compared', label: 'fields compared', value: total, unit: 'count' },
    {
      id: 'fields-wrong',
      label: 'fields recorded wrong, by name',
      value: wrongFields.size,
      unit: 'count',
    },
    smallestRateFigure('fields-smallest-rate', 'wrong fields', {
      checked: compared.length === 0 ? 0 : least,
      violations: wrong,
    }),
  ];
}
