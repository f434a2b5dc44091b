/**
 * The sample answer to turn 1: a session is a key in Redis with a TTL, and each process caches the sessions it
 * accepted. Logout deletes the key, but every other process accepts from its cache for `localCacheMs`; losing Redis
 * logs everybody out. Events are written afterwards, because Redis and PostgreSQL share no transaction.
 */
import type { Redis } from 'ioredis';
import type { SessionStoreDesign, SessionsDesign } from '../design.ts';
import {
  type Clock,
  isoFromUs,
  type Random,
  ServiceError,
  type TransactionalDatabase,
} from '../ports.ts';
import { hashesEqual } from '../secret-token.ts';
import type { Origin, Session, SessionStore, SessionView } from './contract.ts';
import { decodeSession, encodeSession, hasEnded, toPublicSession } from './policy.ts';
import { makeToken, readToken } from './token.ts';

type RedisTtlDesign = Extract<SessionStoreDesign, { kind: 'redis-ttl' }>;

const maxCached = 50_000;
const noop = async () => {};

/** A value is the encoded session, this separator, then device and address as JSON. */
const separator = ' ';

export const redisTtlKey = (keyPrefix: string, id: string): string => `${keyPrefix}session:${id}`;
export const redisTtlUserKey = (keyPrefix: string, userId: string): string =>
  `${keyPrefix}user:${userId}`;

export function createRedisTtlStore(given: {
  db: TransactionalDatabase;
  redis: Redis;
  keyPrefix: string;
  clock: Clock;
  random: Random;
  design: SessionsDesign;
  store: RedisTtlDesign;
}): SessionStore {
  const { db, redis, keyPrefix, clock, random, design, store } = given;
  const nowMs = () => Math.floor(clock.nowUs() / 1_000);
  const localCache = new Map<string, { session: Session; secretHash: Buffer; untilMs: number }>();

  const addToLocalCache = (session: Session, secretHash: Buffer) => {
    localCache.set(session.id, { session, secretHash, untilMs: nowMs() + store.localCacheMs });
    if (localCache.size <= maxCached) return;
    const oldest = localCache.keys().next();
    if (!oldest.done) localCache.delete(oldest.value);
  };

  const insertEvents = async (
    events: readonly { event: string; id: string | null; userId: string | null }[],
    { actorId, reason, origin }: { actorId: string | null; reason: string; origin: Origin },
  ) => {
    if (events.length === 0) return;
    await db.query({
      text: `INSERT INTO session_events (event, session_id, user_id, actor_id, reason, request_id, at)
             SELECT event, session_id, user_id, $4, $5, $6, $7
               FROM unnest($1::text[], $2::text[], $3::bigint[]) AS e(event, session_id, user_id)`,
      values: [
        events.map(({ event }) => event),
        events.map(({ id }) => id),
        events.map(({ userId }) => userId),
        actorId,
        reason,
        origin.requestId,
        isoFromUs(clock.nowUs()),
      ],
    });
  };

  const organisationOf = async (userId: string): Promise<string> => {
    const text = 'SELECT organisation_id AS "organisationId" FROM users WHERE id = $1';
    const rows = await db.query<{ organisationId: string }>({ text, values: [userId] });
    return rows[0]!.organisationId;
  };

  const openSession = async (
    owner: Pick<Session, 'userId' | 'organisationId'>,
    reason: string,
    origin: Origin,
    endsAtMs?: number,
  ) => {
    const { userId, organisationId } = owner;
    const { token, id, secretHash } = makeToken(design.region, random);
    const createdAtMs = nowMs();
    const endsAt = endsAtMs ?? createdAtMs + store.ttlMs;
    const session = { id, userId, organisationId, createdAtMs, endsAtMs: endsAt };
    const { device, ip } = origin;
    const value = `${encodeSession({ ...session, secretHash })}${separator}${JSON.stringify({ device, ip })}`;
    const ttlMs = session.endsAtMs - createdAtMs;
    await Promise.all([
      redis.set(redisTtlKey(keyPrefix, id), value, 'PX', ttlMs),
      redis.sadd(redisTtlUserKey(keyPrefix, userId), id),
    ]).catch(throwUnavailable);
    await insertEvents([{ event: 'created', id, userId }], { actorId: userId, reason, origin });
    return { token, session };
  };

  const readSession = async (id: string) => {
    const text = await redis.get(redisTtlKey(keyPrefix, id)).catch(throwUnavailable);
    const [value, detailsJson] = splitValue(text ?? '');
    const session = decodeSession(value);
    return session && !hasEnded(session, nowMs()) ? { session, detailsJson } : null;
  };

  const findByToken = async (token: string) => {
    const presented = readToken(token, design.region);
    const found = presented && (await readSession(presented.id));
    return found && hashesEqual(found.session.secretHash, presented.secretHash)
      ? found.session
      : null;
  };

  /** Deletes the keys and this process's cached sessions; the other processes keep theirs. */
  const deleteSessions = async (
    userId: string,
    ids: readonly string[],
    what: { event: string; actorId: string; reason: string; origin: Origin },
  ) => {
    if (ids.length === 0) return 0;
    for (const id of ids) localCache.delete(id);
    const [count] = await Promise.all([
      redis.del(...ids.map((id) => redisTtlKey(keyPrefix, id))),
      redis.srem(redisTtlUserKey(keyPrefix, userId), ...ids),
    ]).catch(throwUnavailable);
    await insertEvents(
      ids.map((id) => ({ event: what.event, id, userId })),
      what,
    );
    return count;
  };

  const list = async (userId: string): Promise<readonly SessionView[]> => {
    const ids = await redis.smembers(redisTtlUserKey(keyPrefix, userId)).catch(throwUnavailable);
    const all = await Promise.all(ids.slice(0, 100).map(readSession));
    return all
      .flatMap((one) => (one ? [one] : []))
      .map(({ session: { id, createdAtMs }, detailsJson }) => ({
        id,
        createdAtMs,
        lastSeenAtMs: createdAtMs,
        ...(JSON.parse(detailsJson) as { device: string | null; ip: string | null }),
      }))
      .sort((a, b) => b.createdAtMs - a.createdAtMs);
  };

  const deleteAll = async (
    userId: string,
    { except, ...what }: { except?: string; actorId: string; reason: string; origin: Origin },
  ) => {
    const ids = (await list(userId)).map(({ id }) => id).filter((id) => id !== except);
    return deleteSessions(userId, ids, { event: 'revoked', ...what });
  };

  const rotate = async (old: Session, reason: string, origin: Origin, endsAtMs?: number) => {
    await deleteSessions(old.userId, [old.id], {
      event: 'rotated',
      actorId: old.userId,
      reason,
      origin,
    });
    return openSession(old, reason, origin, endsAtMs);
  };

  return {
    async start() {
      await redis.ping();
    },
    close: noop,
    async create({ userId, presentedToken }, origin) {
      const old = presentedToken === '' ? null : await findByToken(presentedToken);
      if (old)
        await deleteSessions(old.userId, [old.id], {
          event: 'rotated',
          actorId: old.userId,
          reason: 'login',
          origin,
        });
      return openSession({ userId, organisationId: await organisationOf(userId) }, 'login', origin);
    },
    async check(token) {
      const presented = readToken(token, design.region);
      if (!presented) return null;
      const known = localCache.get(presented.id);
      if (known && nowMs() < known.untilMs && nowMs() < known.session.endsAtMs)
        return hashesEqual(known.secretHash, presented.secretHash) ? known.session : null;
      const found = await readSession(presented.id);
      if (!found || !hashesEqual(found.session.secretHash, presented.secretHash)) return null;
      const session = toPublicSession(found.session);
      addToLocalCache(session, found.session.secretHash);
      return session;
    },
    findCached: () => null,
    countCacheHit() {},
    // The TTL runs from login; use does not extend it.
    touch: noop,
    async end(token, origin) {
      const session = await findByToken(token);
      if (!session) return null;
      const { id, userId } = session;
      await deleteSessions(userId, [id], {
        event: 'revoked',
        actorId: userId,
        reason: 'logout',
        origin,
      });
      return session;
    },
    async renew(token, origin) {
      const session = await findByToken(token);
      return session && rotate(session, 'renewal', origin, session.endsAtMs);
    },
    list,
    async revoke({ userId }, sessionId, origin) {
      const what = { event: 'revoked', actorId: userId, reason: 'revoked-by-user', origin };
      const own = (await list(userId)).some(({ id }) => id === sessionId);
      return own && (await deleteSessions(userId, [sessionId], what)) > 0;
    },
    revokeOthers: ({ id, userId }, origin) =>
      deleteAll(userId, { except: id, actorId: userId, reason: 'others', origin }),
    revokeAll: (userId, { id, reason }, origin) =>
      deleteAll(userId, { actorId: id, reason, origin }),
    async disable(userId, actorId, origin) {
      const text = 'UPDATE users SET disabled_at = coalesce(disabled_at, $2) WHERE id = $1';
      await db.query({ text, values: [userId, isoFromUs(clock.nowUs())] });
      return deleteAll(userId, { actorId, reason: 'disabled', origin });
    },
    async changePassword(session, { from, to }, origin) {
      const changed = await db.query({
        text: 'UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING 1',
        values: [session.userId, from, to],
      });
      if (changed.length === 0) return null;
      const reason = 'password-change';
      await deleteAll(session.userId, {
        except: session.id,
        actorId: session.userId,
        reason,
        origin,
      });
      return rotate(session, reason, origin);
    },
    recordRefusedLogin: (userId, origin) =>
      insertEvents([{ event: 'refused', id: null, userId }], {
        actorId: null,
        reason: 'invalid-credentials',
        origin,
      }),
  };
}

function splitValue(text: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, '{}'] : [text.slice(0, at), text.slice(at + 1)];
}

function throwUnavailable(cause: unknown): never {
  throw new ServiceError(
    { status: 503, code: 'sessions-unavailable', detail: 'Sessions cannot be checked right now.' },
    { cause },
  );
}
