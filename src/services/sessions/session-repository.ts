/**
 * Sessions in PostgreSQL, the source of truth. Every change and its event are one transaction.
 *
 * Opening a session takes a share lock on the user's row, ending all of a user's sessions an exclusive one, and the
 * sessions are selected after the lock: a concurrent login is either seen and ended, or it opens its session
 * afterwards. `beforeRevoke` runs before the commit with the sessions about to end; the last statement of a change
 * writes its audit event.
 */
import {
  type AuditFields,
  type Clock,
  type Database,
  isoFromUs,
  type TransactionalDatabase,
} from '../ports.ts';
import { eraseAccount } from './accounts/erase-account.ts';
import { type Origin, type RevokeKeys, revokeNoKeys, type SessionView } from './contract.ts';
import type { StoredSession } from './policy.ts';
import {
  insertRefusal,
  insertSession,
  type Revocation,
  type RevokeResult,
  revokeSessions,
} from './session-changes.ts';
import { findSessions, listSessions, type SessionRow } from './session-rows.ts';

export type BeforeRevoke = (ids: readonly string[]) => Promise<void>;

/** The organisation is read when the user's row is locked. */
export type NewSession = Omit<StoredSession, 'organisationId'>;

export interface SessionOpening {
  readonly session: NewSession;
  readonly reason: 'login' | 'renewal' | 'password-change';
}

export interface OpenResult {
  readonly opened: StoredSession;
  readonly ended: readonly string[];
}

export interface SessionRepository {
  find(id: string): Promise<SessionRow | null>;
  /** `opened` is null when the user is gone, disabled, or has another password by now. */
  open(
    given: SessionOpening & { passwordHash: string; replaces: Revocation | null },
    origin: Origin,
    beforeRevoke: BeforeRevoke,
  ): Promise<{ opened: StoredSession | null; ended: readonly string[] }>;
  /** Null when `old` had ended. */
  replace(
    old: Revocation,
    given: SessionOpening,
    origin: Origin,
    beforeRevoke: BeforeRevoke,
  ): Promise<OpenResult | null>;
  /** `ended` includes sessions that had ended before; null when `current` had ended or the password was another one. */
  changePassword(
    given: SessionOpening & { current: string; from: string; to: string },
    origin: Origin,
    beforeRevoke: BeforeRevoke,
  ): Promise<OpenResult | null>;
  revoke(what: Revocation, origin: Origin, beforeRevoke: BeforeRevoke): Promise<RevokeResult>;
  list(userId: string, seenAfterMs: number): Promise<readonly SessionView[]>;
  recordRefusedLogin(userId: string | null, origin: Origin): Promise<void>;
}

/** Rolls back: a concurrent change made this one impossible. */
class Conflict extends Error {}

export function createSessionRepository(given: {
  db: TransactionalDatabase;
  clock: Clock;
  revokeKeys?: RevokeKeys;
}): SessionRepository {
  const { db, clock, revokeKeys = revokeNoKeys } = given;
  const now = () => isoFromUs(clock.nowUs());
  const revoke = (tx: Database, what: Revocation, origin: Origin) =>
    revokeSessions(tx, what, origin, clock.nowUs());

  const change = async <Result>(
    work: (tx: Database) => Promise<Result>,
  ): Promise<Result | null> => {
    try {
      return await db.transaction(work);
    } catch (error) {
      if (error instanceof Conflict) return null;
      throw error;
    }
  };

  return {
    find: async (id) => (await findSessions(db, [id])).get(id) ?? null,

    async open({ session, reason, passwordHash, replaces }, origin, beforeRevoke) {
      const done = await change(async (tx) => {
        const { organisationId } = await lockUser(tx, session.userId, 'SHARE', passwordHash);
        const opened = { ...session, organisationId };
        const ended = replaces ? (await revoke(tx, replaces, origin)).ended : [];
        await insertSession(tx, opened, reason, origin);
        await beforeRevoke(ended);
        await origin.recordIn(tx);
        return { opened, ended };
      });
      return done ?? { opened: null, ended: [] };
    },

    replace: (old, { session, reason }, origin, beforeRevoke) =>
      change(async (tx) => {
        const { organisationId } = await lockUser(tx, session.userId, 'SHARE', null);
        const opened = { ...session, organisationId };
        const { ended } = await revoke(tx, old, origin);
        if (ended.length === 0) throw new Conflict();
        await insertSession(tx, opened, reason, origin);
        await beforeRevoke(ended);
        await origin.recordIn(tx);
        return { opened, ended };
      }),

    async changePassword({ session, reason, current, from, to }, origin, beforeRevoke) {
      const changed = await change(async (tx) => {
        const { userId } = session;
        const { organisationId } = await lockUser(tx, userId, 'UPDATE', from);
        const opened = { ...session, organisationId };
        await tx.query({
          text: 'UPDATE users SET password_hash = $2 WHERE id = $1',
          values: [userId, to],
        });
        const common = { userId, actorId: userId, reason };
        const own = await revoke(tx, { ...common, event: 'rotated', only: current }, origin);
        if (own.ended.length === 0) throw new Conflict();
        const others = await revoke(tx, { ...common, event: 'revoked' }, origin);
        await insertSession(tx, opened, reason, origin);
        await beforeRevoke([...own.ended, ...others.ended]);
        const ended = [...new Set([...own.ended, ...others.ended, ...others.alreadyEnded])];
        const keys = await revokeKeys(tx, userId);
        const before = { sessions: own.ended.length + others.ended.length, keys: keys.count };
        await origin.recordIn(tx, { change: { before, after: { sessions: 1, keys: 0 } } });
        return { opened, ended, keys };
      });
      changed?.keys.forget();
      return changed;
    },

    async revoke(what, origin, beforeRevoke) {
      const revoked = await change(async (tx) => {
        // Ending one session needs no lock on the user: no concurrent login can add to it.
        const passwordHash = what.erase?.passwordHash ?? null;
        const user =
          what.only === undefined ? await lockUser(tx, what.userId, 'UPDATE', passwordHash) : null;
        if (what.erase) await eraseAccount(tx, what.userId, now());
        if (what.disable) await disableAccount(tx, what.userId, now());
        const all = await revoke(tx, what, origin);
        await beforeRevoke(all.ended);
        // If nothing changed, the gateway records the response instead.
        if (what.disable || what.erase || all.ended.length > 0)
          await origin.recordIn(tx, user && changeOf(what, user, all.ended.length));
        return all;
      });
      return revoked ?? { ended: [], alreadyEnded: [], isRefused: true };
    },

    list: (userId, seenAfterMs) => listSessions(db, userId, now(), seenAfterMs),

    recordRefusedLogin: (userId, origin) => insertRefusal(db, userId, origin, now()),
  };
}

interface LockedUser {
  readonly organisationId: string;
  readonly disabled: boolean;
}

/** What an administrator's revocation changed; users' own sessions are their own state. */
function changeOf(
  { userId, actorId, disable = false }: Revocation,
  { organisationId, disabled }: LockedUser,
  sessions: number,
): AuditFields {
  if (userId === actorId) return {};
  const change = {
    before: { sessions, ...(disable ? { disabled } : {}) },
    after: { sessions: 0, ...(disable ? { disabled: true } : {}) },
  };
  return { change, affectedOrganisationId: organisationId };
}

async function lockUser(
  tx: Database,
  userId: string,
  mode: 'SHARE' | 'UPDATE',
  passwordHash: string | null,
): Promise<LockedUser> {
  const [found] = await tx.query<LockedUser>({
    name: `sessions-lock-user-${mode.toLowerCase()}`,
    text: `SELECT organisation_id AS "organisationId", disabled_at IS NOT NULL AS disabled
             FROM users WHERE id = $1 AND ($2::text IS NULL OR password_hash = $2)
              AND ($3 OR disabled_at IS NULL) FOR ${mode}`,
    // Sessions of a disabled account may be ended, but not opened.
    values: [userId, passwordHash, mode === 'UPDATE'],
  });
  if (!found) throw new Conflict();
  return found;
}

async function disableAccount(tx: Database, userId: string, at: string): Promise<void> {
  const text = 'UPDATE users SET disabled_at = coalesce(disabled_at, $2) WHERE id = $1';
  await tx.query({ text, values: [userId, at] });
}
