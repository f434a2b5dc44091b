/**
 * The multiset equation of an audit log, over request ids: attempted T, acknowledged A, audited U.
 *
 *   lost          A - U              acknowledged, but not recorded
 *   phantom       U - T              recorded, but never attempted (or never sent)
 *   duplicate     more than one row of one request
 *   recovered     U - A              recorded without a response: legal, and counted
 *   misattributed another user, action or outcome than that of the operation
 *
 * Acknowledged is every complete response from 200 to 499 to an operation of a known user: a denial is an action too.
 * 401 is excluded, because the platform may not know whose credential it refused. O(n log n).
 */
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import type { FaultWindow } from '../../sim/pure/faults/fault-windows.ts';
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';
import type { Figure } from '../../sim/result.ts';
import { createCauseFinder, lostByCause } from './audit-causes.ts';
import { withoutContent } from './without-content.ts';

const WITNESS_LIMIT = 10;
const HORIZON_US = 1_000_000;
const DENIED: readonly number[] = [401, 403, 404, 429];

export interface AuditInput {
  /** Every request that was made, retries too. */
  readonly operations: readonly OperationRecord[];
  /** Rows of the log, with `action` and `outcome` among their facts if recorded. */
  readonly rows: readonly FactRecord[];
  /** Losses are attributed to these faults. */
  readonly windows?: readonly FaultWindow[];
  /** The action that its row must have; undefined: any. */
  actionOf?(operation: OperationRecord): string | undefined;
  /** With fewer, the verdict is unknown. */
  readonly mustHaveSeen?: { readonly acknowledged?: number; readonly denials?: number };
}

/** Whether the log must have an event for the operation. */
export function isAcknowledged({ user, status, outcome, sentUs }: OperationRecord): boolean {
  return (
    user !== '' &&
    sentUs >= 0 &&
    outcome !== 'unknown' &&
    status >= 200 &&
    status < 500 &&
    status !== 401
  );
}

/** `checked` counts acknowledged operations. */
export function checkAudit(input: AuditInput): CheckResult {
  const { operations, rows, windows = [], actionOf } = input;
  const entries = new Map<string, { operation: OperationRecord; rows: number }>();
  for (const operation of operations) entries.set(operation.requestId, { operation, rows: 0 });
  const count = { phantom: 0, duplicate: 0, recovered: 0, misattributed: 0, lost: 0 };
  const witness: Record<string, unknown>[] = [];
  const report = (kind: keyof typeof count, violation: string, record: object) => {
    count[kind] += 1;
    if (witness.length < WITNESS_LIMIT)
      witness.push({ violation: `${kind}: ${violation}`, ...record });
  };
  for (const row of rows) {
    const entry = entries.get(row.requestId);
    if (entry === undefined) {
      report('phantom', 'a row of no operation', row);
      continue;
    }
    const { operation } = entry;
    entry.rows += 1;
    if (operation.sentUs < 0) report('phantom', 'the operation never left', row);
    if (entry.rows > 1) {
      report('duplicate', 'a further row of one operation', row);
      continue;
    }
    const acknowledged = isAcknowledged(operation);
    if (!acknowledged && operation.user !== '') count.recovered += 1;
    const wrong = findMismatch(row, operation, actionOf?.(operation), acknowledged);
    if (wrong !== null)
      report('misattributed', wrong, { row, operation: withoutContent(operation) });
  }

  const causeOf = createCauseFinder(windows, HORIZON_US);
  const causes = new Map<string, number>();
  let [checked, denials] = [0, 0];
  for (const { operation, rows: rowCount } of entries.values()) {
    if (!isAcknowledged(operation)) continue;
    checked += 1;
    if (DENIED.includes(operation.status)) denials += 1;
    if (rowCount > 0) continue;
    const cause = causeOf(operation);
    causes.set(cause, (causes.get(cause) ?? 0) + 1);
    report('lost', 'acknowledged, but not recorded', { cause, ...withoutContent(operation) });
  }
  const violations = count.lost + count.phantom + count.duplicate + count.misattributed;
  const gap = violations > 0 ? null : findGap(input, checked, denials);
  return concludeCheck({
    checked,
    violations,
    witness,
    gap,
    figures: [...figuresOf(count, denials), ...lostByCause(causes, windows)],
  });
}

function findMismatch(
  row: FactRecord,
  operation: OperationRecord,
  action: string | undefined,
  acknowledged: boolean,
): string | null {
  if (operation.user !== '' && row.user !== operation.user) return 'the row names another user';
  const { facts = {} } = row;
  if (action !== undefined && facts.action !== undefined && facts.action !== action)
    return `the row says ${facts.action}, the operation was ${action}`;
  const recordedOutcome = facts.outcome;
  if (!acknowledged || recordedOutcome === undefined) return null;
  const { status } = operation;
  const right =
    status < 400
      ? recordedOutcome === 'success'
      : DENIED.includes(status)
        ? recordedOutcome === 'denied'
        : recordedOutcome !== 'success';
  return right ? null : `the row says ${recordedOutcome}, the answer was ${status}`;
}

function findGap(
  { mustHaveSeen = {} }: AuditInput,
  acknowledged: number,
  denials: number,
): string | null {
  if (acknowledged < (mustHaveSeen.acknowledged ?? 1))
    return `${acknowledged} operations were acknowledged`;
  return denials < (mustHaveSeen.denials ?? 0) ? `${denials} operations were denied` : null;
}

function figuresOf(
  count: Readonly<Record<'lost' | 'phantom' | 'duplicate' | 'misattributed' | 'recovered', number>>,
  denials: number,
): Figure[] {
  const figure = (id: string, label: string, value: number): Figure => ({
    id,
    label,
    value,
    unit: 'count',
  });
  return [
    figure('audit-lost', 'acknowledged, but not recorded', count.lost),
    figure('audit-phantom', 'recorded, but never attempted', count.phantom),
    figure('audit-duplicate', 'recorded more than once', count.duplicate),
    figure('audit-misattributed', 'recorded as something else', count.misattributed),
    figure('audit-recovered', 'recorded without a response', count.recovered),
    figure('audit-denials', 'acknowledged denials', denials),
  ];
}
