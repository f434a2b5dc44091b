import type { SessionStoreDesign } from '../../design.ts';
import { type Clock, type Database, isoFromUs } from '../../ports.ts';
import { hashesEqual } from '../../secret-token.ts';
import { eraseAccount } from '../accounts/erase-account.ts';
import type { CreatedSession, Login, Origin, Session, SessionStore } from '../contract.ts';
import { toPublicSession } from '../policy.ts';
import { readToken } from '../token.ts';
import {
  deleteRotated,
  deleteSessions,
  deleteUserSessions,
  findByToken,
  insertEvents,
  listSessions,
  nowMs,
  openSession,
  type RedisTtlContext,
  type RedisTtlResources,
  readSession,
} from './session-operations.ts';

type RedisTtlDesign = Extract<SessionStoreDesign, { kind: 'redis-ttl' }>;

const MAX_CACHED = 50_000;
const noop = async () => {};

export function createRedisTtlStore(
  given: RedisTtlResources & { readonly store: RedisTtlDesign },
): SessionStore {
  const { redis, clock, store } = given;
  const localCache = createLocalCache(clock, store.localCacheMs);
  const context = { ...given, ttlMs: store.ttlMs, onDelete: localCache.remove };

  return {
    async start() {
      await redis.ping();
    },
    close: noop,
    create: (login, origin) => createSession(context, login, origin),
    check: (token) => checkToken(context, localCache, token),
    findCached: () => null,
    countCacheHit() {},
    // The TTL runs from login; use does not extend it.
    touch: noop,
    async end(token, origin) {
      const session = await findByToken(context, token);
      if (!session) return null;
      const { id, userId } = session;
      const what = { event: 'revoked', actorId: userId, reason: 'logout', origin } as const;
      await deleteSessions(context, userId, [id], what);
      return session;
    },
    async renew(token, origin) {
      const session = await findByToken(context, token);
      if (!session) return null;
      await deleteRotated(context, session, 'renewal', origin);
      return openSession(context, session, 'renewal', origin, session.endsAtMs);
    },
    list: (userId) => listSessions(context, userId),
    async revoke({ userId }, sessionId, origin) {
      const reason = 'revoked-by-user';
      const what = { event: 'revoked', actorId: userId, reason, origin } as const;
      const own = (await listSessions(context, userId)).some(({ id }) => id === sessionId);
      return own && (await deleteSessions(context, userId, [sessionId], what)) > 0;
    },
    revokeOthers: ({ id, userId }, origin) =>
      deleteUserSessions(context, userId, {
        except: id,
        actorId: userId,
        reason: 'others',
        origin,
      }),
    revokeAll: (userId, { id, reason }, origin) =>
      deleteUserSessions(context, userId, { actorId: id, reason, origin }),
    disable: (userId, actorId, origin) => disableUser(context, userId, actorId, origin),
    erase: (userId, passwordHash, origin) => eraseUser(context, userId, passwordHash, origin),
    changePassword: (session, hashes, origin) => changePassword(context, session, hashes, origin),
    recordRefusedLogin: (userId, origin) =>
      insertEvents(context, [{ event: 'refused', id: null, userId }], {
        actorId: null,
        reason: 'invalid-credentials',
        origin,
      }),
  };
}

async function createSession(
  context: RedisTtlContext,
  { userId, presentedToken }: Login,
  origin: Origin,
): Promise<CreatedSession> {
  const old = presentedToken === '' ? null : await findByToken(context, presentedToken);
  if (old) await deleteRotated(context, old, 'login', origin);
  const organisationId = await findOrganisation(context.db, userId);
  return openSession(context, { userId, organisationId }, 'login', origin);
}

async function checkToken(
  context: RedisTtlContext,
  localCache: ReturnType<typeof createLocalCache>,
  token: string,
): Promise<Session | null> {
  const presented = readToken(token, context.design.region);
  if (!presented) return null;
  const known = localCache.find(presented.id);
  if (known) return hashesEqual(known.secretHash, presented.secretHash) ? known.session : null;
  const found = await readSession(context, presented.id);
  if (!found || !hashesEqual(found.session.secretHash, presented.secretHash)) return null;
  const session = toPublicSession(found.session);
  localCache.add(session, found.session.secretHash);
  return session;
}

async function disableUser(
  context: RedisTtlContext,
  userId: string,
  actorId: string,
  origin: Origin,
): Promise<number> {
  const text = 'UPDATE users SET disabled_at = coalesce(disabled_at, $2) WHERE id = $1';
  await context.db.query({ text, values: [userId, isoFromUs(context.clock.nowUs())] });
  return deleteUserSessions(context, userId, { actorId, reason: 'disabled', origin });
}

async function eraseUser(
  context: RedisTtlContext,
  userId: string,
  passwordHash: string | null,
  origin: Origin,
): Promise<boolean> {
  const { db, clock } = context;
  const found = await db.query({
    text: 'SELECT 1 FROM users WHERE id = $1 AND ($2::text IS NULL OR password_hash = $2)',
    values: [userId, passwordHash],
  });
  if (found.length === 0) return false;
  await eraseAccount(db, userId, isoFromUs(clock.nowUs()));
  await origin.recordIn(db);
  await deleteUserSessions(context, userId, { actorId: userId, reason: 'erased', origin });
  return true;
}

async function changePassword(
  context: RedisTtlContext,
  session: Session,
  { from, to }: { from: string; to: string },
  origin: Origin,
): Promise<CreatedSession | null> {
  const { id, userId } = session;
  const changed = await context.db.query({
    text: 'UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING 1',
    values: [userId, from, to],
  });
  if (changed.length === 0) return null;
  (await context.revokeKeys?.(context.db, userId))?.forget();
  const reason = 'password-change';
  await deleteUserSessions(context, userId, { except: id, actorId: userId, reason, origin });
  await deleteRotated(context, session, reason, origin);
  return openSession(context, session, reason, origin);
}

async function findOrganisation(db: Database, userId: string): Promise<string> {
  const text = 'SELECT organisation_id AS "organisationId" FROM users WHERE id = $1';
  const rows = await db.query<{ organisationId: string }>({ text, values: [userId] });
  return rows[0]!.organisationId;
}

/** The sessions this process accepted, each for `localCacheMs`; beyond `maxCached` the oldest are dropped. */
function createLocalCache(clock: Clock, localCacheMs: number) {
  const cached = new Map<string, { session: Session; secretHash: Buffer; untilMs: number }>();
  return {
    find(id: string) {
      const known = cached.get(id);
      return known && nowMs(clock) < known.untilMs && nowMs(clock) < known.session.endsAtMs
        ? known
        : null;
    },
    add(session: Session, secretHash: Buffer): void {
      cached.set(session.id, { session, secretHash, untilMs: nowMs(clock) + localCacheMs });
      if (cached.size <= MAX_CACHED) return;
      const oldest = cached.keys().next();
      if (!oldest.done) cached.delete(oldest.value);
    },
    remove: (id: string): void => void cached.delete(id),
  };
}
