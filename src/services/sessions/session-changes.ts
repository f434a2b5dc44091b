/** What changes rows of the table `sessions`, each with its event in the same statement. */
import { type Database, isoFromUs } from '../ports.ts';
import type { Origin } from './contract.ts';
import type { StoredSession } from './policy.ts';

export interface RevokeResult {
  /** Ended by this call. */
  readonly ended: readonly string[];
  /** Ended by an earlier or concurrent call, which may have died before it invalidated the copies. */
  readonly alreadyEnded: readonly string[];
  /** Nothing was done: there is no such user, or the password is another one. */
  readonly isRefused?: boolean;
}

/** Which sessions of a user end, and what their events say. */
export interface Revocation {
  readonly userId: string;
  /** Disables the account in the same transaction. */
  readonly disable?: boolean;
  /** Erases the account in the same transaction, if it still has this password; null: any. */
  readonly erase?: { readonly passwordHash: string | null };
  readonly only?: string;
  readonly except?: string;
  readonly event: 'revoked' | 'rotated';
  readonly actorId: string;
  readonly reason: string;
}

export async function insertSession(
  tx: Database,
  session: StoredSession,
  reason: string,
  origin: Origin,
): Promise<void> {
  await tx.query({
    name: 'sessions-insert',
    text: `WITH made AS (
             INSERT INTO sessions (id, user_id, secret_hash, created_at, last_seen_at, ends_at, device, ip, organisation_id)
             VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $10) RETURNING id, user_id)
           INSERT INTO session_events (event, session_id, user_id, actor_id, reason, request_id, at, client_request_id)
           SELECT 'created', id, user_id, user_id, $8, $9, $4, $11 FROM made`,
    values: [
      session.id,
      session.userId,
      session.secretHash,
      isoFromUs(session.createdAtMs * 1_000),
      isoFromUs(session.endsAtMs * 1_000),
      origin.device,
      origin.ip,
      reason,
      origin.requestId,
      session.organisationId,
      origin.clientRequestId,
    ],
  });
}

/**
 * Also returns rows that another call ended: that call may have died before it wrote its tombstone, so this one must
 * invalidate the copies too, until the absolute end, which no copy outlives. That includes a row that is live in this
 * statement's snapshot and that its update, after waiting for the other's commit, finds ended.
 */
export async function revokeSessions(
  tx: Database,
  what: Revocation,
  origin: Origin,
  nowUs: number,
): Promise<RevokeResult> {
  const chosen =
    'user_id = $3 AND ($4::text IS NULL OR id = $4) AND ($5::text IS NULL OR id <> $5)';
  const rows = await tx.query<{ id: string; fresh: boolean }>({
    name: 'sessions-revoke',
    text: `WITH ended AS (
             UPDATE sessions SET revoked_at = $1, revoked_reason = $2 WHERE ${chosen} AND revoked_at IS NULL
             RETURNING id, user_id),
           logged AS (
             INSERT INTO session_events (event, session_id, user_id, actor_id, reason, request_id, at, client_request_id)
             SELECT $6, id, user_id, $7, $2, $8, $1, $10 FROM ended)
           SELECT id, true AS fresh FROM ended
           UNION ALL SELECT id, false FROM sessions
            WHERE ${chosen} AND ends_at > $9 AND id NOT IN (SELECT id FROM ended)`,
    values: [
      isoFromUs(nowUs),
      what.reason,
      what.userId,
      what.only ?? null,
      what.except ?? null,
      what.event,
      what.actorId,
      origin.requestId,
      isoFromUs(nowUs),
      origin.clientRequestId,
    ],
  });
  const ids = (fresh: boolean) => rows.filter((row) => row.fresh === fresh).map(({ id }) => id);
  return { ended: ids(true), alreadyEnded: ids(false) };
}

export async function insertRefusal(
  db: Database,
  userId: string | null,
  origin: Origin,
  at: string,
): Promise<void> {
  await db.query({
    name: 'sessions-refuse',
    text: `INSERT INTO session_events (event, user_id, reason, request_id, at, client_request_id)
           VALUES ('refused', $1, 'invalid-credentials', $2, $3, $4)`,
    values: [userId, origin.requestId, at, origin.clientRequestId],
  });
}
