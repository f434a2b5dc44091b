/**
 * Search over the live and the archived log of one organisation: newest first, keyset pages, over the index
 * (organisation_id, occurred_at DESC, id DESC), or (user_id, ...) where the design has one and the request names a
 * user. Every statement is bounded: it scans at most `maxScannedRows` rows and returns a cursor to continue.
 */
import type { AuditStorageDesign } from '../../design.ts';
import type { Database, StateChange } from '../../ports.ts';
import type { AuditEvent, PersonalFields } from '../contract.ts';
import { requirePosition } from '../cursor.ts';
import { parseChange } from '../policy.ts';
import { openPersonal } from '../seal.ts';
import type { SubjectKeys } from '../subject-keys.ts';
import {
  type AuditFilter,
  buildConditions,
  cursorScope,
  indexesOf,
  pageOfScan,
  type ScannedRow,
  userOf,
} from './search-request.ts';

/** An event as the members of its organisation see it. */
export interface AuditView extends Omit<AuditEvent, 'organisationId' | 'personal' | 'change'> {
  readonly version: number;
  readonly receivedAt: string;
  readonly change: StateChange | null;
  /** Null: nothing was recorded, or the key was erased. */
  readonly personal: PersonalFields | null;
  readonly erased: boolean;
}

interface AuditPage {
  readonly items: readonly AuditView[];
  /** Cursor of the next page. A short or empty page need not be the last; null means the end. */
  readonly next: string | null;
}

/** Whose events may be read: an organisation's, or those of one of its users. */
export interface LogReaders {
  readonly organisationId: string;
  readonly ownerId: string | null;
}

export interface AuditSearch {
  search(
    organisationId: string,
    request: AuditFilter & { cursor: string | null; limit: number },
  ): Promise<AuditPage>;
  /** Null when these readers have no such event, even if others have. */
  find(readers: LogReaders, eventId: string): Promise<AuditView | null>;
}

type Row = Omit<AuditView, 'personal' | 'erased' | 'change'> & {
  readonly sealed: Buffer | null;
  readonly change: string | null;
};

export const MAX_SCANNED_ROWS = 10_000;

const iso = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
const columns = `event_id AS "eventId", version, ${iso('occurred_at')} AS "occurredAt",
  ${iso('received_at')} AS "receivedAt", user_id AS "userId", session_hash AS "sessionHash", key_id AS "keyId", agent,
  action, resource_type AS "resourceType", resource_id AS "resourceId", outcome, reason, request_id AS "requestId",
  client_request_id AS "clientRequestId",
  region, service, change, sealed`;
const NEWEST_FIRST = 'ORDER BY occurred_at DESC, id DESC';

export function createAuditSearch(given: {
  db: Database;
  storage: AuditStorageDesign;
  subjectKeys: Pick<SubjectKeys, 'readKeys'>;
  /** Default: `maxScannedRows`; tests use a small one. */
  maxScannedRows?: number;
}): AuditSearch {
  const { db, subjectKeys } = given;
  const indexes = indexesOf(given.storage);
  const scanLimit = given.maxScannedRows ?? MAX_SCANNED_ROWS;

  const viewsOf = async (rows: readonly Row[]): Promise<AuditView[]> => {
    const users = new Set(rows.flatMap(({ sealed, userId }) => (sealed === null ? [] : [userId])));
    const keys = users.size === 0 ? new Map() : await subjectKeys.readKeys([...users]);
    return rows.map((row) => viewOf(row, keys.get(row.userId) ?? null));
  };

  return {
    async search(organisationId, { cursor, limit, ...filter }) {
      const scope = cursorScope(organisationId, filter);
      const after = cursor === null ? null : requirePosition(cursor, scope);
      const values: unknown[] = [];
      const bind = (value: unknown) => `$${values.push(value)}`;
      const usable = await usableIndexes(db, { organisationId, filter, indexes });
      const conditions = buildConditions(organisationId, { filter, after }, usable, bind);
      // Without row filters every scanned row matches, so the scan is limited to the page and needs no sort.
      const isUnfiltered = conditions.rowFilters.length === 0;
      const maxRows = isUnfiltered ? Math.min(limit + 1, scanLimit) : scanLimit;
      // No statement name: planned for its values, because plans for busy and quiet users differ.
      const scanned = await db.query<Row & ScannedRow>({
        text: searchSql({ ...conditions, maxRows: bind(maxRows), limit: bind(limit + 1) }),
        values,
      });
      const { found, next } = pageOfScan(scanned, limit, scope);
      return { items: await viewsOf(found), next };
    },

    async find({ organisationId, ownerId }, eventId) {
      const around = occurredAtRange(eventId);
      if (around === null) return null;
      const rows = await db.query<Row>({
        name: 'audit-find',
        text: `SELECT ${columns} FROM audit_everything
                WHERE event_id = $1 AND occurred_at BETWEEN $2 AND $3 AND organisation_id = $4
                  AND ($5::bigint IS NULL OR user_id = $5)`,
        values: [eventId, ...around, organisationId, ownerId],
      });
      return (await viewsOf(rows))[0] ?? null;
    },
  };
}

/**
 * The index over users is used only for users of this organisation. A scan over a foreign user's events matches nothing,
 * has no bound, and its duration would leak how many there are.
 */
async function usableIndexes(
  db: Database,
  {
    organisationId,
    filter,
    indexes,
  }: { organisationId: string; filter: AuditFilter; indexes: ReturnType<typeof indexesOf> },
): Promise<ReturnType<typeof indexesOf>> {
  const userId = userOf(filter);
  if (userId === null || !indexes.includes('actor')) return indexes;
  const [newest] = await db.query<{ organisationId: string }>({
    name: 'audit-newest-of-user',
    text: `SELECT organisation_id AS "organisationId" FROM audit_everything WHERE user_id = $1 ${NEWEST_FIRST} LIMIT 1`,
    values: [userId],
  });
  const ownsUser = newest?.organisationId === organisationId;
  return ownsUser ? indexes : indexes.filter((index) => index !== 'actor');
}

/** Rows are numbered during the scan, without a sort; it ends when the page is full or at row `maxRows`. */
export function searchSql(given: {
  indexConditions: readonly string[];
  rowFilters: readonly string[];
  maxRows: string;
  limit: string;
}): string {
  const matches = given.rowFilters.join(' AND ') || 'true';
  return `SELECT ${columns}, id, (${matches}) IS TRUE AS "isMatch", scan_index = ${given.maxRows}::bigint AS "isLast"
  FROM (SELECT *, row_number() OVER (${NEWEST_FIRST}) AS scan_index
          FROM audit_everything WHERE ${given.indexConditions.join(' AND ')} ${NEWEST_FIRST} LIMIT ${given.maxRows}::bigint) AS scanned
 WHERE (${matches}) OR scan_index = ${given.maxRows}::bigint
 ${NEWEST_FIRST} LIMIT ${given.limit}::bigint`;
}

/**
 * A UUIDv7 holds its time in milliseconds, so only the partition of that time is searched. The range is one second
 * either way: occurred_at has microseconds, and ids of seeded events are rounded.
 */
export function occurredAtRange(eventId: string): readonly [string, string] | null {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i.exec(
    eventId,
  );
  if (match === null) return null;
  const atMs = Number.parseInt(`${match[1]}${match[2]}`, 16);
  // Later times have no four-digit year, and no event has one.
  if (atMs > 253_000_000_000_000) return null;
  return [new Date(atMs - 1_000).toISOString(), new Date(atMs + 1_000).toISOString()];
}

function viewOf(row: Row, key: Buffer | null): AuditView {
  const { sealed, userId } = row;
  const personal = sealed && key && openPersonal(key, userId, sealed);
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
    clientRequestId: row.clientRequestId,
    region: row.region,
    service: row.service,
    change: row.change === null ? null : parseChange(row.change),
    personal,
    // Sealed in an earlier epoch: the present key does not open it. Verification finds a changed ciphertext.
    erased: sealed !== null && personal === null,
  };
}
