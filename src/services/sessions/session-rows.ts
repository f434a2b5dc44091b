/** Rows of the table `sessions`. */
import { type Database, isoFromUs } from '../ports.ts';
import type { SessionView } from './contract.ts';
import type { StoredSession } from './policy.ts';

export interface SessionRow extends StoredSession {
  readonly lastSeenAtMs: number;
  readonly revoked: boolean;
}

/** SQL: a timestamp as milliseconds since the epoch. */
const epochMs = (column: string) => `(extract(epoch FROM ${column}) * 1000)::bigint`;

interface RawSessionRow {
  readonly id: string;
  readonly userId: string;
  readonly organisationId: string;
  readonly secretHash: Buffer;
  readonly createdAt: string;
  readonly endsAt: string;
  readonly lastSeenAt: string;
  readonly revoked: boolean;
}

export async function findSessions(
  db: Database,
  ids: readonly string[],
): Promise<Map<string, SessionRow>> {
  const rows = await db.query<RawSessionRow>({
    name: 'sessions-find',
    text: `SELECT id, user_id AS "userId", organisation_id AS "organisationId", secret_hash AS "secretHash",
                  revoked_at IS NOT NULL AS revoked,
                  ${epochMs('created_at')} AS "createdAt", ${epochMs('ends_at')} AS "endsAt", ${epochMs('last_seen_at')} AS "lastSeenAt"
             FROM sessions WHERE id = ANY($1::text[])`,
    values: [ids],
  });
  return new Map(
    rows.map(({ createdAt, endsAt, lastSeenAt, ...row }) => [
      row.id,
      {
        ...row,
        createdAtMs: Number(createdAt),
        endsAtMs: Number(endsAt),
        lastSeenAtMs: Number(lastSeenAt),
      },
    ]),
  );
}

/** Ends every live session of a user for an operator, who is no user. In the caller's transaction. */
export async function endSessionRows(
  tx: Database,
  userId: string,
  { reason, requestId, at }: { reason: string; requestId: string; at: string },
): Promise<void> {
  await tx.query({
    text: `WITH ended AS (
             UPDATE sessions SET revoked_at = $2, revoked_reason = $3 WHERE user_id = $1 AND revoked_at IS NULL
             RETURNING id, user_id)
           INSERT INTO session_events (event, session_id, user_id, actor_id, reason, request_id, at)
           SELECT 'revoked', id, user_id, NULL, $3, $4, $2 FROM ended`,
    values: [userId, at, reason, requestId],
  });
}

/** Live sessions of a user, the newest first. */
export async function listSessions(
  db: Database,
  userId: string,
  now: string,
  seenAfterMs: number,
): Promise<readonly SessionView[]> {
  const rows = await db.query<{
    id: string;
    device: string | null;
    ip: string | null;
    createdAt: string;
    lastSeenAt: string;
  }>({
    name: 'sessions-list',
    text: `SELECT id, device, ip, ${epochMs('created_at')} AS "createdAt", ${epochMs('last_seen_at')} AS "lastSeenAt"
             FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND ends_at > $2 AND last_seen_at > $3
            ORDER BY created_at DESC, id LIMIT 100`,
    values: [userId, now, isoFromUs(seenAfterMs * 1_000)],
  });
  return rows.map(({ createdAt, lastSeenAt, ...row }) => ({
    ...row,
    createdAtMs: Number(createdAt),
    lastSeenAtMs: Number(lastSeenAt),
  }));
}
