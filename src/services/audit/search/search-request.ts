/**
 * Search requests to the audit log, pure: parses query parameters and builds the SQL conditions. Every request and
 * every cursor is bound to the organisation: a cursor made for another organisation or for other filters is invalid.
 */
import { createHash } from 'node:crypto';
import type { AuditStorageDesign } from '../../design.ts';
import { type CursorPosition, encodeCursor } from '../policy.ts';

export interface AuditFilter {
  readonly actor?: string | undefined;
  /** A whole action, or `project.*`. */
  readonly action?: string | undefined;
  readonly targetType?: string | undefined;
  readonly targetId?: string | undefined;
  readonly outcome?: string | undefined;
  /** UTC; from is included, to is not. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Only events on the authority of this user: the caller may read no others. `actor` names no other user then. */
  readonly ownerId?: string | undefined;
}

/** The user whose events are asked for, if it is one. */
export const userOf = ({ actor, ownerId }: AuditFilter): string | null =>
  ownerId ?? (actor === undefined ? null : (parseActor(actor)?.userId ?? null));

export interface Actor {
  readonly userId: string | null;
  readonly keyId: string | null;
  readonly agent: string | null;
}

/** `7` or `user:7`, `key:12` with all its agents, `agent:12/3`. */
export const ACTOR_PATTERN = '^((user:)?[0-9]{1,18}|key:[0-9]{1,18}|agent:[0-9]{1,18}/[0-9]{1,4})$';

export function parseActor(text: string): Actor | null {
  if (!new RegExp(ACTOR_PATTERN).test(text)) return null;
  const [kind, rest = ''] = text.includes(':') ? text.split(':') : ['user', text];
  const [id = '', agent = null] = rest.split('/');
  return kind === 'user'
    ? { userId: id, keyId: null, agent: null }
    : { userId: null, keyId: id, agent };
}

/** Hash of organisation and filters, 16 hexadecimal digits. */
export function cursorScope(organisationId: string, filter: AuditFilter): string {
  const { actor, action, targetType, targetId, outcome, from, to, ownerId } = filter;
  const parts = [organisationId, actor, action, targetType, targetId, outcome, from, to, ownerId];
  const text = JSON.stringify(parts.map((part) => part ?? null));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

interface Conditions {
  /** They bound the range of the index scan. */
  readonly indexConditions: readonly string[];
  /** They are checked for each scanned row. */
  readonly rowFilters: readonly string[];
}

/** SQL for the filters; `bind` adds a value and returns its placeholder. */
export function buildConditions(
  organisationId: string,
  { filter, after }: { filter: AuditFilter; after: CursorPosition | null },
  indexes: readonly ('tenant' | 'actor')[],
  bind: (value: unknown) => string,
): Conditions {
  const actor = filter.actor === undefined ? null : parseActor(filter.actor);
  const userId = userOf(filter);
  const usesActorIndex = userId !== null && indexes.includes('actor');
  const tenantCondition = `organisation_id = ${bind(organisationId)}`;
  // Nearly all events of a user are of one organisation. The planner assumes independence, estimates almost no rows and
  // would read and sort all of the user's events; for a boolean expression it estimates that half of the rows match.
  const indexConditions = [
    usesActorIndex ? `coalesce(${tenantCondition}, false)` : tenantCondition,
  ];
  const rowFilters: string[] = [];
  if (filter.from !== undefined)
    indexConditions.push(`occurred_at >= ${bind(filter.from)}::timestamptz`);
  if (filter.to !== undefined)
    indexConditions.push(`occurred_at < ${bind(filter.to)}::timestamptz`);
  if (after !== null) {
    const at = `${bind(after.occurredAt)}::timestamptz`;
    // The first comparison lets the planner skip whole months; the second is the exact position.
    indexConditions.push(
      `occurred_at <= ${at}`,
      `(occurred_at, id) < (${at}, ${bind(after.id)}::bigint)`,
    );
  }
  if (userId !== null)
    (usesActorIndex ? indexConditions : rowFilters).push(`user_id = ${bind(userId)}`);
  if (actor?.keyId != null) rowFilters.push(`key_id = ${bind(actor.keyId)}`);
  if (actor?.agent != null) rowFilters.push(`agent = ${bind(actor.agent)}`);
  const { action, targetType, targetId, outcome } = filter;
  if (action?.endsWith('.*')) rowFilters.push(`starts_with(action, ${bind(action.slice(0, -1))})`);
  else if (action !== undefined) rowFilters.push(`action = ${bind(action)}`);
  if (targetType !== undefined) rowFilters.push(`resource_type = ${bind(targetType)}`);
  if (targetId !== undefined) rowFilters.push(`resource_id = ${bind(targetId)}`);
  if (outcome !== undefined) rowFilters.push(`outcome = ${bind(outcome)}`);
  return { indexConditions, rowFilters };
}

export const indexesOf = (storage: AuditStorageDesign): readonly ('tenant' | 'actor')[] =>
  storage.kind === 'monthly' ? storage.indexes : [];

export interface ScannedRow extends CursorPosition {
  /** False: returned only as the position where the scan ended. */
  readonly isMatch: boolean;
  /** The last row of the scan. */
  readonly isLast: boolean;
}

/**
 * At most `limit` matches and the cursor behind them. A scan that reached its limit before the page was full gives a
 * short or empty page, and its cursor continues where the scan stopped.
 */
export function pageOfScan<Row extends ScannedRow>(
  rows: readonly Row[],
  limit: number,
  scope: string,
): { found: readonly Row[]; next: string | null } {
  const matches = rows.filter((row) => row.isMatch);
  const found = matches.slice(0, limit);
  const end = matches.length > limit ? found.at(-1) : rows.find(({ isLast: last }) => last);
  return { found, next: end === undefined ? null : encodeCursor(end, scope) };
}

/** `2026-11-21` or `2026-11-21T03:23:15.123456Z`, seconds and fraction optional; null for a date that does not exist. */
export function parseInstant(text: string): string | null {
  const match = /^(20\d{2}-\d{2}-\d{2})(?:T(\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?Z)?$/.exec(
    text,
  );
  if (match === null) return null;
  const [, day, minute = '00:00', second = '00', fraction = ''] = match;
  const whole = `${day}T${minute}:${second}`;
  const at = new Date(`${whole}Z`);
  if (Number.isNaN(at.getTime()) || !at.toISOString().startsWith(whole)) return null;
  return `${whole}.${fraction.padEnd(6, '0')}Z`;
}
