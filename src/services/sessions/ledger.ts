/**
 * The truth about sessions, in PostgreSQL. Every change and its event are one transaction.
 *
 * Whoever opens a session holds a share lock on the user's row, whoever ends all of them an exclusive one, and the
 * sessions are looked up in a statement after the lock: a concurrent login is either seen and ended, or it opens
 * its session afterwards. `ending` hears which sessions are about to end, before the commit; the last statement of a
 * change puts its event into the audit log.
 */
import { type Clock, type Database, isoFromUs, type TransactionalDatabase } from '../ports.ts';
import type { Origin, SessionView } from './contract.ts';
import type { StoredSession } from './policy.ts';
import { findSessions, type LedgerRow, ms } from './session-rows.ts';

export type Ending = (ids: readonly string[]) => Promise<void>;

export interface Revoked {
  /** Ended by this call. */
  readonly ended: readonly string[];
  /** Ended by another call, before or beside this one, that may not have confirmed it, and may never. */
  readonly before: readonly string[];
}

/** Which sessions of a user end, and what the record says about it. */
export interface Revocation {
  readonly userId: string;
  /** Disables the account in the same transaction. */
  readonly disable?: boolean;
  readonly only?: string;
  readonly except?: string;
  readonly event: 'revoked' | 'rotated';
  readonly actorId: string;
  readonly reason: string;
}

/** Whoever opens it finds the organisation when they lock the user. */
export type NewSession = Omit<StoredSession, 'organisationId'>;

export interface Opening {
  readonly session: NewSession;
  readonly reason: 'login' | 'renewal' | 'password-change';
}

export interface Opened {
  readonly opened: StoredSession;
  readonly ended: readonly string[];
}

export interface Ledger {
  find(id: string): Promise<LedgerRow | null>;
  /** False when the user is gone, disabled, or has another password by now. */
  open(
    given: Opening & { passwordHash: string; replaces: Revocation | null },
    origin: Origin,
    ending: Ending,
  ): Promise<{ opened: StoredSession | null; ended: readonly string[] }>;
  /** Null when `old` had ended. */
  replace(old: Revocation, given: Opening, origin: Origin, ending: Ending): Promise<Opened | null>;
  /** With all that ended, now or before; null when `current` had ended or the password was another one. */
  changePassword(
    given: Opening & { current: string; from: string; to: string },
    origin: Origin,
    ending: Ending,
  ): Promise<Opened | null>;
  revoke(what: Revocation, origin: Origin, ending: Ending): Promise<Revoked>;
  list(userId: string, seenAfterMs: number): Promise<readonly SessionView[]>;
  refuse(userId: string | null, origin: Origin): Promise<void>;
}

/** Ends a transaction that turned out to have nothing to do. */
class Overtaken extends Error {}

export function createLedger(given: { db: TransactionalDatabase; clock: Clock }): Ledger {
  const { db, clock } = given;
  const now = () => isoFromUs(clock.nowUs());
  const revoke = (tx: Database, what: Revocation, origin: Origin) =>
    revokeRows(tx, what, origin, clock.nowUs());

  const change = async <Result>(
    work: (tx: Database) => Promise<Result>,
  ): Promise<Result | null> => {
    try {
      return await db.transaction(work);
    } catch (error) {
      if (error instanceof Overtaken) return null;
      throw error;
    }
  };

  return {
    find: async (id) => (await findSessions(db, [id])).get(id) ?? null,

    async open({ session, reason, passwordHash, replaces }, origin, ending) {
      const done = await change(async (tx) => {
        const organisationId = await lockUser(tx, session.userId, 'SHARE', passwordHash);
        const opened = { ...session, organisationId };
        const ended = replaces ? (await revoke(tx, replaces, origin)).ended : [];
        await insert(tx, opened, reason, origin);
        await ending(ended);
        await origin.recordIn(tx);
        return { opened, ended };
      });
      return done ?? { opened: null, ended: [] };
    },

    replace: (old, { session, reason }, origin, ending) =>
      change(async (tx) => {
        const organisationId = await lockUser(tx, session.userId, 'SHARE', null);
        const opened = { ...session, organisationId };
        const { ended } = await revoke(tx, old, origin);
        if (ended.length === 0) throw new Overtaken();
        await insert(tx, opened, reason, origin);
        await ending(ended);
        await origin.recordIn(tx);
        return { opened, ended };
      }),

    changePassword: ({ session, reason, current, from, to }, origin, ending) =>
      change(async (tx) => {
        const { userId } = session;
        const organisationId = await lockUser(tx, userId, 'UPDATE', from);
        const opened = { ...session, organisationId };
        await tx.query({
          text: 'UPDATE users SET password_hash = $2 WHERE id = $1',
          values: [userId, to],
        });
        const common = { userId, actorId: userId, reason };
        const own = await revoke(tx, { ...common, event: 'rotated', only: current }, origin);
        if (own.ended.length === 0) throw new Overtaken();
        const others = await revoke(tx, { ...common, event: 'revoked' }, origin);
        await insert(tx, opened, reason, origin);
        await ending([...own.ended, ...others.ended]);
        const ended = [...new Set([...own.ended, ...others.ended, ...others.before])];
        await origin.recordIn(tx);
        return { opened, ended };
      }),

    async revoke(what, origin, ending) {
      const revoked = await change(async (tx) => {
        // One session needs no lock on its user: nothing can be missed.
        if (what.only === undefined) await lockUser(tx, what.userId, 'UPDATE', null);
        if (what.disable) {
          const text = 'UPDATE users SET disabled_at = coalesce(disabled_at, $2) WHERE id = $1';
          await tx.query({ text, values: [what.userId, now()] });
        }
        const all = await revoke(tx, what, origin);
        await ending(all.ended);
        // What changed nothing is recorded as what it is answered with.
        if (what.disable || all.ended.length > 0) await origin.recordIn(tx);
        return all;
      });
      return revoked ?? { ended: [], before: [] };
    },

    async list(userId, seenAfterMs) {
      const rows = await db.query<{
        id: string;
        device: string | null;
        ip: string | null;
        createdAt: string;
        lastSeenAt: string;
      }>({
        name: 'sessions-list',
        text: `SELECT id, device, ip, ${ms('created_at')} AS "createdAt", ${ms('last_seen_at')} AS "lastSeenAt"
                 FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND ends_at > $2 AND last_seen_at > $3
                ORDER BY created_at DESC, id LIMIT 100`,
        values: [userId, now(), isoFromUs(seenAfterMs * 1_000)],
      });
      return rows.map(({ createdAt, lastSeenAt, ...row }) => ({
        ...row,
        createdAtMs: Number(createdAt),
        lastSeenAtMs: Number(lastSeenAt),
      }));
    },

    refuse: (userId, origin) => recordRefusal(db, userId, origin, now()),
  };
}

/** The user's organisation. */
async function lockUser(
  tx: Database,
  userId: string,
  mode: 'SHARE' | 'UPDATE',
  passwordHash: string | null,
): Promise<string> {
  const [found] = await tx.query<{ organisationId: string }>({
    name: `sessions-lock-user-${mode.toLowerCase()}`,
    text: `SELECT organisation_id AS "organisationId" FROM users WHERE id = $1 AND ($2::text IS NULL OR password_hash = $2)
              AND ($3 OR disabled_at IS NULL) FOR ${mode}`,
    // Whoever ends sessions may do so for a disabled account.
    values: [userId, passwordHash, mode === 'UPDATE'],
  });
  if (!found) throw new Overtaken();
  return found.organisationId;
}

async function insert(
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
           INSERT INTO session_events (event, session_id, user_id, actor_id, reason, request_id, at)
           SELECT 'created', id, user_id, user_id, $8, $9, $4 FROM made`,
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
    ],
  });
}

/**
 * Whoever is asked to end a session answers for it, even if somebody else's statement did it: that call may have died
 * before its tombstone. So all chosen rows are named until their absolute end, which no copy outlives; also one that
 * this statement's snapshot shows as live and its update found ended, after waiting for the other's commit.
 */
async function revokeRows(
  tx: Database,
  what: Revocation,
  origin: Origin,
  nowUs: number,
): Promise<Revoked> {
  const chosen =
    'user_id = $3 AND ($4::text IS NULL OR id = $4) AND ($5::text IS NULL OR id <> $5)';
  const rows = await tx.query<{ id: string; fresh: boolean }>({
    name: 'sessions-revoke',
    text: `WITH ended AS (
             UPDATE sessions SET revoked_at = $1, revoked_reason = $2 WHERE ${chosen} AND revoked_at IS NULL
             RETURNING id, user_id),
           logged AS (
             INSERT INTO session_events (event, session_id, user_id, actor_id, reason, request_id, at)
             SELECT $6, id, user_id, $7, $2, $8, $1 FROM ended)
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
    ],
  });
  const ids = (fresh: boolean) => rows.filter((row) => row.fresh === fresh).map(({ id }) => id);
  return { ended: ids(true), before: ids(false) };
}

async function recordRefusal(
  db: Database,
  userId: string | null,
  origin: Origin,
  at: string,
): Promise<void> {
  await db.query({
    name: 'sessions-refuse',
    text: `INSERT INTO session_events (event, user_id, reason, request_id, at)
           VALUES ('refused', $1, 'invalid-credentials', $2, $3)`,
    values: [userId, origin.requestId, at],
  });
}
