/**
 * The multiset equation of an audit log, over request ids: attempted T, acknowledged A, audited U.
 *
 *   lost          A - U              answered, and not on record
 *   phantom       U - T              on record, and never asked for (or never sent)
 *   duplicate     more than one row of one request
 *   recovered     U - A              on record without an answer: legal, and counted
 *   misattributed another user, another action, or another outcome than was answered
 *
 * Acknowledged is every complete answer from 200 to 499 to an operation of a known user: a denial is an action too.
 * 401 promises nothing, because the platform may not know whose credential it refused. O(n log n).
 */
import type { EffectRecord, OperationRecord } from '../../sim/history.ts';
import type { FaultWindow } from '../../sim/pure/fault-windows.ts';
import type { Figure, InvariantResult } from '../../sim/result.ts';
import { causesAmong, lostByCause } from './audit-causes.ts';

type Answer = Omit<InvariantResult, 'id' | 'statement'>;
const WITNESS_LIMIT = 10;
const HORIZON_US = 1_000_000;
const DENIED: readonly number[] = [401, 403, 404, 429];

export interface AuditInput {
  /** Every request that was made, retries too. */
  readonly operations: readonly OperationRecord[];
  /** Rows of the log, with `action` and `outcome` among their facts where it says so. */
  readonly rows: readonly EffectRecord[];
  /** What was broken when; losses are told apart by it. */
  readonly windows?: readonly FaultWindow[];
  /** The action its row must name; undefined: any. */
  actionOf?(operation: OperationRecord): string | undefined;
  /** Fewer than these, and the run says nothing. */
  readonly mustHaveSeen?: { readonly acknowledged?: number; readonly denials?: number };
}

/** A complete answer that the log must know of. */
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
export function checkAudit(input: AuditInput): Answer {
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
    const wrong = wrongIn(row, operation, actionOf?.(operation), acknowledged);
    if (wrong !== null) report('misattributed', wrong, { row, operation: shown(operation) });
  }

  const causeOf = causesAmong(windows, HORIZON_US);
  const causes = new Map<string, number>();
  let [checked, denials] = [0, 0];
  for (const { operation, rows: seen } of entries.values()) {
    if (!isAcknowledged(operation)) continue;
    checked += 1;
    if (DENIED.includes(operation.status)) denials += 1;
    if (seen > 0) continue;
    const cause = causeOf(operation);
    causes.set(cause, (causes.get(cause) ?? 0) + 1);
    report('lost', 'answered, and not on record', { cause, ...shown(operation) });
  }
  const violations = count.lost + count.phantom + count.duplicate + count.misattributed;
  const gap = violations > 0 ? null : missing(input, checked, denials);
  return {
    verdict: violations > 0 ? 'fail' : gap === null ? 'pass' : 'unknown',
    ...{ checked, violations, witness },
    ...(gap === null ? {} : { reason: gap }),
    figures: [...figuresOf(count, denials), ...lostByCause(causes, windows)],
  };
}

function wrongIn(
  row: EffectRecord,
  operation: OperationRecord,
  action: string | undefined,
  acknowledged: boolean,
): string | null {
  if (operation.user !== '' && row.user !== operation.user) return 'the row names another user';
  const { facts = {} } = row;
  if (action !== undefined && facts.action !== undefined && facts.action !== action)
    return `the row says ${facts.action}, the operation was ${action}`;
  const told = facts.outcome;
  if (!acknowledged || told === undefined) return null;
  const { status } = operation;
  const right =
    status < 400
      ? told === 'success'
      : DENIED.includes(status)
        ? told === 'denied'
        : told !== 'success';
  return right ? null : `the row says ${told}, the answer was ${status}`;
}

function missing(
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
    ...{ id, label, value, unit: 'count' },
  });
  return [
    figure('audit-lost', 'answered, and not on record', count.lost),
    figure('audit-phantom', 'on record, and never asked for', count.phantom),
    figure('audit-duplicate', 'on record twice', count.duplicate),
    figure('audit-misattributed', 'on record as something else', count.misattributed),
    figure('audit-recovered', 'on record without an answer', count.recovered),
    figure('audit-denials', 'denials answered', denials),
  ];
}

function shown(operation: OperationRecord): Partial<OperationRecord> {
  const { body: _, headers: __, ...rest } = operation;
  return rest;
}
