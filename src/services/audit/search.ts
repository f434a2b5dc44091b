/**
 * The audit log, live and archived, for its readers, one organisation at a time: newest first, by keyset, over the
 * index (organisation_id, occurred_at DESC, id DESC), or (user_id, ...) where the design has one and the question names
 * a user. Every statement is bounded: a question that few rows answer looks at `rowsPerLook` of them and says where to
 * go on.
 */
import type { AuditStorageDesign } from '../design.ts';
import type { Database } from '../ports.ts';
import type { AuditOutcome, PersonalFields } from './contract.ts';
import { requirePosition } from './cursor.ts';
import { openPersonal } from './seal.ts';
import {
  type AuditFilter,
  conditionsOf,
  indexesOf,
  type Looked,
  pageOfLook,
  readActor,
  scopeOf,
} from './search-question.ts';
import type { SubjectKeys } from './subject-keys.ts';

/** An event as a reader of its organisation sees it. */
export interface AuditView {
  readonly eventId: string;
  readonly version: number;
  readonly occurredAt: string;
  readonly receivedAt: string;
  readonly userId: string;
  readonly sessionHash: string | null;
  readonly keyId: string | null;
  readonly agent: number | null;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string | null;
  readonly outcome: AuditOutcome;
  readonly reason: string | null;
  readonly requestId: string;
  readonly region: string;
  readonly service: string;
  /** Null: nothing was known, or the key that opens it was erased. */
  readonly personal: PersonalFields | null;
  readonly erased: boolean;
}

interface AuditPage {
  readonly items: readonly AuditView[];
  /** Pass as `cursor` to read on. A page may be short, or empty, and not the last: only null ends. */
  readonly next: string | null;
}

export interface AuditSearch {
  search(
    organisationId: string,
    asked: AuditFilter & { cursor: string | null; limit: number },
  ): Promise<AuditPage>;
  /** Null when there is none in this organisation, whoever else may have it. */
  find(organisationId: string, eventId: string): Promise<AuditView | null>;
}

type Row = Omit<AuditView, 'personal' | 'erased'> & { readonly sealed: Buffer | null };

export const rowsPerLook = 10_000;

const iso = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
const columns = `event_id AS "eventId", version, ${iso('occurred_at')} AS "occurredAt",
  ${iso('received_at')} AS "receivedAt", user_id AS "userId", session_hash AS "sessionHash", key_id AS "keyId", agent,
  action, resource_type AS "resourceType", resource_id AS "resourceId", outcome, reason, request_id AS "requestId",
  region, service, sealed`;
const order = 'ORDER BY occurred_at DESC, id DESC';

export function createAuditSearch(given: {
  db: Database;
  storage: AuditStorageDesign;
  subjectKeys: Pick<SubjectKeys, 'openAll'>;
  /** For tests: a look that ends soon. */
  rowsPerLook?: number;
}): AuditSearch {
  const { db, subjectKeys } = given;
  const indexes = indexesOf(given.storage);
  const bound = given.rowsPerLook ?? rowsPerLook;

  const viewsOf = async (rows: readonly Row[]): Promise<AuditView[]> => {
    const users = new Set(rows.flatMap(({ sealed, userId }) => (sealed === null ? [] : [userId])));
    const keys = users.size === 0 ? new Map() : await subjectKeys.openAll([...users]);
    return rows.map((row) => viewOf(row, keys.get(row.userId) ?? null));
  };

  // The index over users is for users of ours: a walk over another organisation's would end at no bound of ours, and
  // its length would tell of them.
  const indexesFor = async (organisationId: string, filter: AuditFilter) => {
    const userId = readActor(filter.actor ?? '')?.userId ?? null;
    if (userId === null || !indexes.includes('actor')) return indexes;
    const [newest] = await db.query<{ organisationId: string }>({
      name: 'audit-newest-of-user',
      text: `SELECT organisation_id AS "organisationId" FROM audit_everything WHERE user_id = $1 ${order} LIMIT 1`,
      values: [userId],
    });
    const isOurs = newest?.organisationId === organisationId;
    return isOurs ? indexes : indexes.filter((index) => index !== 'actor');
  };

  return {
    async search(organisationId, { cursor, limit, ...filter }) {
      const scope = scopeOf(organisationId, filter);
      const after = cursor === null ? null : requirePosition(cursor, scope);
      const values: unknown[] = [];
      const bind = (value: unknown) => `$${values.push(value)}`;
      const { walk, rows } = conditionsOf(
        organisationId,
        { filter, after },
        await indexesFor(organisationId, filter),
        bind,
      );
      // Where every row on the way is in the answer, a look is no longer than the page: the planner walks, and sorts nothing.
      const most = rows.length === 0 ? Math.min(limit + 1, bound) : bound;
      // Unnamed: planned for its values, because a question about a busy user and one about a quiet one differ.
      const looked = await db.query<Row & Looked>({
        text: lookText({ walk, rows, bound: bind(most), limit: bind(limit + 1) }),
        values,
      });
      const { found, next } = pageOfLook(looked, limit, scope);
      return { items: await viewsOf(found), next };
    },

    async find(organisationId, eventId) {
      const around = instantsAround(eventId);
      if (around === null) return null;
      const rows = await db.query<Row>({
        name: 'audit-find',
        text: `SELECT ${columns} FROM audit_everything
                WHERE event_id = $1 AND occurred_at BETWEEN $2 AND $3 AND organisation_id = $4`,
        values: [eventId, ...around, organisationId],
      });
      return (await viewsOf(rows))[0] ?? null;
    },
  };
}

/** Rows are numbered on the way, without a sort, and the look ends when the page is full or at the last of them. */
export function lookText(given: {
  walk: readonly string[];
  rows: readonly string[];
  bound: string;
  limit: string;
}): string {
  const matches = given.rows.join(' AND ') || 'true';
  return `SELECT ${columns}, id, (${matches}) IS TRUE AS matches, place = ${given.bound}::bigint AS last
  FROM (SELECT *, row_number() OVER (${order}) AS place
          FROM audit_everything WHERE ${given.walk.join(' AND ')} ${order} LIMIT ${given.bound}::bigint) AS looked
 WHERE (${matches}) OR place = ${given.bound}::bigint
 ${order} LIMIT ${given.limit}::bigint`;
}

/**
 * The id says when, to the millisecond, so only its month is searched. The event's instant has microseconds, and a
 * seeded id is rounded.
 */
export function instantsAround(eventId: string): readonly [string, string] | null {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i.exec(
    eventId,
  );
  if (match === null) return null;
  const atMs = Number.parseInt(`${match[1]}${match[2]}`, 16);
  // What no event has: far outside of what PostgreSQL, or we, call a year.
  if (atMs > 253_000_000_000_000) return null;
  return [new Date(atMs - 1_000).toISOString(), new Date(atMs + 1_000).toISOString()];
}

function viewOf(row: Row, key: Buffer | null): AuditView {
  const { sealed, userId } = row;
  return {
    eventId: row.eventId,
    version: row.version,
    occurredAt: row.occurredAt,
    receivedAt: row.receivedAt,
    userId: row.userId,
    sessionHash: row.sessionHash,
    keyId: row.keyId,
    agent: row.agent,
    action: row.action,
    resourceType: row.resourceType,
    resourceId: row.resourceId,
    outcome: row.outcome,
    reason: row.reason,
    requestId: row.requestId,
    region: row.region,
    service: row.service,
    personal: sealed && key && openPersonal(key, userId, sealed),
    erased: sealed !== null && key === null,
  };
}
