/**
 * The operations that all stores with PostgreSQL as the source of truth share. `markPending` runs inside the
 * transaction with the sessions about to end; `invalidateCopies` must not resolve before every process refuses them.
 */
import type { SessionsDesign } from '../design.ts';
import {
  type AuditFields,
  type Clock,
  type Random,
  type ThrottleRead,
  unthrottled,
} from '../ports.ts';
import { hashesEqual } from '../secret-token.ts';
import type { CreatedSession, Login, Origin, Session, SessionStore } from './contract.ts';
import { absoluteEndMs, type StoredSession, toPublicSession } from './policy.ts';
import type { Revocation } from './session-changes.ts';
import type { BeforeRevoke, NewSession, SessionRepository } from './session-repository.ts';
import type { SessionRow } from './session-rows.ts';
import { makeToken, readToken } from './token.ts';

/** Adds to the audit event what only the store knows. */
const withAuditFields = (origin: Origin, fields: AuditFields): Origin => ({
  ...origin,
  recordIn: (tx, about) => origin.recordIn(tx, { ...fields, ...about }),
});

interface RepositoryStoreOptions {
  repository: SessionRepository;
  clock: Clock;
  random: Random;
  design: SessionsDesign;
  markPending: BeforeRevoke;
  invalidateCopies: (ids: readonly string[]) => Promise<void>;
}

export function createRepositoryStore(
  given: RepositoryStoreOptions,
): Omit<SessionStore, 'start' | 'close' | 'check' | 'findCached' | 'countCacheHit' | 'touch'> {
  const { repository, clock, design } = given;
  return {
    create: (login, origin) => createSession(given, login, origin),
    end: (token, origin, throttle) => endSession(given, token, origin, throttle),
    renew: (token, origin) => renewSession(given, token, origin),
    list: (userId) => repository.list(userId, nowMs(clock) - design.idleTimeoutMs),

    async revoke({ userId }, sessionId, origin) {
      const what = { event: 'revoked', actorId: userId, reason: 'revoked-by-user' } as const;
      const revoked = await revokeAndInvalidate(
        given,
        { ...what, userId, only: sessionId },
        origin,
      );
      return revoked.all > 0;
    },

    async revokeOthers({ id, userId }, origin) {
      const what = { event: 'revoked', actorId: userId, reason: 'others' } as const;
      return (await revokeAndInvalidate(given, { ...what, userId, except: id }, origin)).ended;
    },

    async revokeAll(userId, { id, reason }, origin) {
      const what = { event: 'revoked', userId, actorId: id, reason } as const;
      return (await revokeAndInvalidate(given, what, origin)).ended;
    },

    async disable(userId, actorId, origin) {
      const what = {
        event: 'revoked',
        userId,
        actorId,
        reason: 'disabled',
        disable: true,
      } as const;
      return (await revokeAndInvalidate(given, what, origin)).ended;
    },

    async erase(userId, passwordHash, origin) {
      const what = { event: 'revoked', userId, actorId: userId, reason: 'erased' } as const;
      const erased = await revokeAndInvalidate(given, { ...what, erase: { passwordHash } }, origin);
      return !erased.isRefused;
    },

    changePassword: (session, hashes, origin) => changePassword(given, session, hashes, origin),
    recordRefusedLogin: (userId, origin) => repository.recordRefusedLogin(userId, origin),
  };
}

async function createSession(
  given: RepositoryStoreOptions,
  { userId, passwordHash, presentedToken }: Login,
  origin: Origin,
): Promise<CreatedSession | null> {
  const { repository, markPending, invalidateCopies } = given;
  const made = makeSession(given, userId);
  const old = presentedToken === '' ? null : await findRow(given, presentedToken);
  const replaces = old && rotationOf(old, 'login');
  const opening = { session: made.session, reason: 'login', passwordHash, replaces } as const;
  const originWithSession = withAuditFields(origin, { sessionId: made.session.id });
  const { opened } = await repository.open(opening, originWithSession, markPending);
  if (opened && old) await invalidateCopies([old.id]);
  return opened && toCreatedSession(made.token, opened);
}

async function endSession(
  given: RepositoryStoreOptions,
  token: string,
  origin: Origin,
  throttle?: ThrottleRead,
): Promise<Session | null> {
  const { repository, markPending, invalidateCopies } = given;
  const row = await findRow(given, token, throttle);
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
}

async function renewSession(
  given: RepositoryStoreOptions,
  token: string,
  origin: Origin,
): Promise<CreatedSession | null> {
  const { repository, markPending, invalidateCopies } = given;
  const row = await findRow(given, token);
  if (!row || row.revoked) return null;
  const made = makeSession(given, row.userId, row.endsAtMs);
  const opening = { session: made.session, reason: 'renewal' } as const;
  const old = rotationOf(row, 'renewal');
  const change = await repository.replace(old, opening, origin, markPending);
  if (!change) return null;
  await invalidateCopies(change.ended);
  return toCreatedSession(made.token, change.opened);
}

async function changePassword(
  given: RepositoryStoreOptions,
  session: Session,
  { from, to }: { from: string; to: string },
  origin: Origin,
): Promise<CreatedSession | null> {
  const { repository, markPending, invalidateCopies } = given;
  const made = makeSession(given, session.userId);
  const opening = { session: made.session, reason: 'password-change' } as const;
  const change = { ...opening, current: session.id, from, to };
  const changed = await repository.changePassword(change, origin, markPending);
  if (!changed) return null;
  await invalidateCopies(changed.ended);
  return toCreatedSession(made.token, changed.opened);
}

/** Sessions that had ended already are invalidated again: their call may have failed between commit and tombstone. */
async function revokeAndInvalidate(
  { repository, markPending, invalidateCopies }: RepositoryStoreOptions,
  what: Revocation,
  origin: Origin,
): Promise<{ ended: number; all: number; isRefused: boolean }> {
  const revoked = await repository.revoke(what, origin, markPending);
  const { ended, alreadyEnded, isRefused = false } = revoked;
  await invalidateCopies([...ended, ...alreadyEnded]);
  return { ended: ended.length, all: ended.length + alreadyEnded.length, isRefused };
}

/** The row a token proves possession of, ended or not. */
async function findRow(
  { repository, design }: RepositoryStoreOptions,
  token: string,
  throttle: ThrottleRead = unthrottled,
): Promise<SessionRow | null> {
  const presented = readToken(token, design.region);
  if (!presented) return null;
  return throttle(async () => {
    const row = await repository.find(presented.id);
    return row && hashesEqual(row.secretHash, presented.secretHash) ? row : null;
  });
}

function makeSession(
  { clock, random, design }: RepositoryStoreOptions,
  userId: string,
  endsAtMs?: number,
): { token: string; session: NewSession } {
  const { token, id, secretHash } = makeToken(design.region, random);
  const createdAtMs = nowMs(clock);
  const endsAt = endsAtMs ?? absoluteEndMs(createdAtMs, design);
  return { token, session: { id, userId, secretHash, createdAtMs, endsAtMs: endsAt } };
}

const nowMs = (clock: Clock): number => Math.floor(clock.nowUs() / 1_000);

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
