/**
 * The operations that all stores with PostgreSQL as the source of truth share. `markPending` runs inside the
 * transaction with the sessions about to end; `invalidateCopies` must not resolve before every process refuses them.
 */
import type { SessionsDesign } from '../design.ts';
import type { Clock, Random, RecordIn } from '../ports.ts';
import { hashesEqual } from '../secret-token.ts';
import type { CreatedSession, Origin, Session, SessionStore } from './contract.ts';
import { absoluteEndMs, type StoredSession, toPublicSession } from './policy.ts';
import type {
  BeforeRevoke,
  NewSession,
  Revocation,
  SessionRepository,
} from './session-repository.ts';
import type { SessionRow } from './session-rows.ts';
import { makeToken, readToken } from './token.ts';

/** Adds to the audit event what only the store knows. */
const withAuditFields = (origin: Origin, fields: Parameters<RecordIn>[1]): Origin => ({
  ...origin,
  recordIn: (tx) => origin.recordIn(tx, fields),
});

export function createRepositoryStore(given: {
  repository: SessionRepository;
  clock: Clock;
  random: Random;
  design: SessionsDesign;
  markPending: BeforeRevoke;
  invalidateCopies: (ids: readonly string[]) => Promise<void>;
}): Omit<SessionStore, 'start' | 'close' | 'check' | 'findCached' | 'countCacheHit' | 'touch'> {
  const { repository, clock, random, design, markPending, invalidateCopies } = given;
  const nowMs = () => Math.floor(clock.nowUs() / 1_000);

  /** The row a token proves possession of, ended or not. */
  const findRow = async (token: string): Promise<SessionRow | null> => {
    const presented = readToken(token, design.region);
    const row = presented && (await repository.find(presented.id));
    return row && hashesEqual(row.secretHash, presented.secretHash) ? row : null;
  };

  const makeSession = (
    userId: string,
    endsAtMs?: number,
  ): { token: string; session: NewSession } => {
    const { token, id, secretHash } = makeToken(design.region, random);
    const createdAtMs = nowMs();
    const endsAt = endsAtMs ?? absoluteEndMs(createdAtMs, design);
    return { token, session: { id, userId, secretHash, createdAtMs, endsAtMs: endsAt } };
  };

  const toCreatedSession = (token: string, session: StoredSession): CreatedSession => ({
    token,
    session: toPublicSession(session),
  });

  const rotationOf = ({ id, userId }: Session, reason: string): Revocation => ({
    userId,
    only: id,
    event: 'rotated',
    actorId: userId,
    reason,
  });

  // Sessions that had ended already are invalidated again: their call may have failed between commit and tombstone.
  const revokeAndInvalidate = async (what: Revocation, origin: Origin) => {
    const { ended, alreadyEnded } = await repository.revoke(what, origin, markPending);
    await invalidateCopies([...ended, ...alreadyEnded]);
    return { ended: ended.length, all: ended.length + alreadyEnded.length };
  };

  return {
    async create({ userId, passwordHash, presentedToken }, origin) {
      const made = makeSession(userId);
      const old = presentedToken === '' ? null : await findRow(presentedToken);
      const replaces = old && rotationOf(old, 'login');
      const opening = { session: made.session, reason: 'login', passwordHash, replaces } as const;
      const originWithSession = withAuditFields(origin, { sessionId: made.session.id });
      const { opened } = await repository.open(opening, originWithSession, markPending);
      if (opened && old) await invalidateCopies([old.id]);
      return opened && toCreatedSession(made.token, opened);
    },

    async end(token, origin) {
      const row = await findRow(token);
      if (!row) return null;
      const { id, userId, organisationId } = row;
      const what: Revocation = {
        userId,
        only: id,
        event: 'revoked',
        actorId: userId,
        reason: 'logout',
      };
      // The request was not authenticated: the owner is known from the row only.
      const originWithOwner = withAuditFields(origin, { userId, organisationId, sessionId: id });
      await repository.revoke(what, originWithOwner, markPending);
      await invalidateCopies([id]);
      return toPublicSession(row);
    },

    async renew(token, origin) {
      const row = await findRow(token);
      if (!row || row.revoked) return null;
      const made = makeSession(row.userId, row.endsAtMs);
      const opening = { session: made.session, reason: 'renewal' } as const;
      const change = await repository.replace(
        rotationOf(row, 'renewal'),
        opening,
        origin,
        markPending,
      );
      if (!change) return null;
      await invalidateCopies(change.ended);
      return toCreatedSession(made.token, change.opened);
    },

    list: (userId) => repository.list(userId, nowMs() - design.idleTimeoutMs),

    async revoke({ userId }, sessionId, origin) {
      const what = { event: 'revoked', actorId: userId, reason: 'revoked-by-user' } as const;
      return (await revokeAndInvalidate({ ...what, userId, only: sessionId }, origin)).all > 0;
    },

    async revokeOthers({ id, userId }, origin) {
      const what = { event: 'revoked', actorId: userId, reason: 'others' } as const;
      return (await revokeAndInvalidate({ ...what, userId, except: id }, origin)).ended;
    },

    async revokeAll(userId, { id, reason }, origin) {
      return (await revokeAndInvalidate({ event: 'revoked', userId, actorId: id, reason }, origin))
        .ended;
    },

    async disable(userId, actorId, origin) {
      const what = {
        event: 'revoked',
        userId,
        actorId,
        reason: 'disabled',
        disable: true,
      } as const;
      return (await revokeAndInvalidate(what, origin)).ended;
    },

    async changePassword(session, { from, to }, origin) {
      const made = makeSession(session.userId);
      const opening = { session: made.session, reason: 'password-change' } as const;
      const change = { ...opening, current: session.id, from, to };
      const changed = await repository.changePassword(change, origin, markPending);
      if (!changed) return null;
      await invalidateCopies(changed.ended);
      return toCreatedSession(made.token, changed.opened);
    },

    recordRefusedLogin: (userId, origin) => repository.recordRefusedLogin(userId, origin),
  };
}
