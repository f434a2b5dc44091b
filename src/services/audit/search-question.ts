/**
 * A question to the audit log, pure: what the words of a query mean, and which of its conditions an index answers.
 * The organisation is a part of every question and of every cursor: a cursor made for another organisation, or for
 * other filters, is not one of this question's.
 */
import { createHash } from 'node:crypto';
import type { AuditStorageDesign } from '../design.ts';
import { encodeCursor, type Position } from './policy.ts';

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
}

export interface Actor {
  readonly userId: string | null;
  readonly keyId: string | null;
  readonly agent: string | null;
}

/** `7` or `user:7`, `key:12` with all its agents, `agent:12/3`. */
export const actorShape = '^((user:)?[0-9]{1,18}|key:[0-9]{1,18}|agent:[0-9]{1,18}/[0-9]{1,4})$';

export function readActor(text: string): Actor | null {
  if (!new RegExp(actorShape).test(text)) return null;
  const [kind, rest = ''] = text.includes(':') ? text.split(':') : ['user', text];
  const [id = '', agent = null] = rest.split('/');
  return kind === 'user'
    ? { userId: id, keyId: null, agent: null }
    : { userId: null, keyId: id, agent };
}

/** Names organisation and filters in 16 hexadecimal digits. */
export function scopeOf(organisationId: string, filter: AuditFilter): string {
  const { actor, action, targetType, targetId, outcome, from, to } = filter;
  const parts = [organisationId, actor, action, targetType, targetId, outcome, from, to];
  const text = JSON.stringify(parts.map((part) => part ?? null));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

interface Conditions {
  /** Where the walk over the index starts and ends. */
  readonly walk: readonly string[];
  /** What is asked of each row on the way. */
  readonly rows: readonly string[];
}

/** SQL for the filters; `bind` takes a value and gives its placeholder. */
export function conditionsOf(
  organisationId: string,
  { filter, after }: { filter: AuditFilter; after: Position | null },
  indexes: readonly ('tenant' | 'actor')[],
  bind: (value: unknown) => string,
): Conditions {
  const actor = filter.actor === undefined ? null : readActor(filter.actor);
  const overUser = actor?.userId != null && indexes.includes('actor');
  const ofTenant = `organisation_id = ${bind(organisationId)}`;
  // A user's events are nearly all of one organisation. The planner takes the two conditions for independent, expects
  // next to nothing, and would read and sort all of the user's events; of an expression it expects half to be true.
  const walk = [overUser ? `coalesce(${ofTenant}, false)` : ofTenant];
  const rows: string[] = [];
  if (filter.from !== undefined) walk.push(`occurred_at >= ${bind(filter.from)}::timestamptz`);
  if (filter.to !== undefined) walk.push(`occurred_at < ${bind(filter.to)}::timestamptz`);
  if (after !== null) {
    const at = `${bind(after.occurredAt)}::timestamptz`;
    // The first comparison lets the planner skip whole months; the second is the exact position.
    walk.push(`occurred_at <= ${at}`, `(occurred_at, id) < (${at}, ${bind(after.id)}::bigint)`);
  }
  if (actor?.userId != null) (overUser ? walk : rows).push(`user_id = ${bind(actor.userId)}`);
  if (actor?.keyId != null) rows.push(`key_id = ${bind(actor.keyId)}`);
  if (actor?.agent != null) rows.push(`agent = ${bind(actor.agent)}`);
  const { action, targetType, targetId, outcome } = filter;
  if (action?.endsWith('.*')) rows.push(`starts_with(action, ${bind(action.slice(0, -1))})`);
  else if (action !== undefined) rows.push(`action = ${bind(action)}`);
  if (targetType !== undefined) rows.push(`resource_type = ${bind(targetType)}`);
  if (targetId !== undefined) rows.push(`resource_id = ${bind(targetId)}`);
  if (outcome !== undefined) rows.push(`outcome = ${bind(outcome)}`);
  return { walk, rows };
}

export const indexesOf = (storage: AuditStorageDesign): readonly ('tenant' | 'actor')[] =>
  storage.kind === 'monthly' ? storage.indexes : [];

export interface Looked extends Position {
  /** False: only says how far the look got. */
  readonly matches: boolean;
  /** The last row one look goes to. */
  readonly last: boolean;
}

/**
 * A page from what a look found: at most `limit` matches, and the cursor behind them. A look that met its bound before
 * the page was full gives a short page, perhaps an empty one, and goes on where it stopped.
 */
export function pageOfLook<Row extends Looked>(
  rows: readonly Row[],
  limit: number,
  scope: string,
): { found: readonly Row[]; next: string | null } {
  const matches = rows.filter((row) => row.matches);
  const found = matches.slice(0, limit);
  const end = matches.length > limit ? found.at(-1) : rows.find(({ last }) => last);
  return { found, next: end === undefined ? null : encodeCursor(end, scope) };
}

/** `2026-11-21` or `2026-11-21T03:23:15.123456Z`, also with less of it; null for what no calendar has. */
export function readInstant(text: string): string | null {
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
