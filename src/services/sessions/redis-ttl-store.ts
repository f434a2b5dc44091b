/**
 * The sample answer to turn 1: a session is a key in Redis with a time to live, and each process remembers the
 * tokens it accepted. Logout deletes the key, and every other process goes on accepting what it remembers; losing
 * Redis logs everybody out. The events are written after the fact, because there is no transaction to share.
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
import { sameHash } from '../secret-token.ts';
import type { Origin, Session, SessionStore, SessionView } from './contract.ts';
import { decodeSession, encodeSession, hasEnded, publicSession } from './policy.ts';
import { makeToken, readToken } from './token.ts';

type RedisTtlDesign = Extract<SessionStoreDesign, { kind: 'redis-ttl' }>;

const maxRemembered = 50_000;
const nothing = async () => {};

/** The value: the session, then device and address as JSON. */
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
  const remembered = new Map<string, { session: Session; secretHash: Buffer; untilMs: number }>();

  const remember = (session: Session, secretHash: Buffer) => {
    remembered.set(session.id, { session, secretHash, untilMs: nowMs() + store.localCacheMs });
    if (remembered.size <= maxRemembered) return;
    const oldest = remembered.keys().next();
    if (!oldest.done) remembered.delete(oldest.value);
  };

  const record = async (
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
        ...[actorId, reason, origin.requestId, isoFromUs(clock.nowUs())],
      ],
    });
  };

  const organisationOf = async (userId: string): Promise<string> => {
    const text = 'SELECT organisation_id AS "organisationId" FROM users WHERE id = $1';
    const rows = await db.query<{ organisationId: string }>({ text, values: [userId] });
    return rows[0]!.organisationId;
  };

  const open = async (
    whose: Pick<Session, 'userId' | 'organisationId'>,
    reason: string,
    origin: Origin,
    endsAtMs?: number,
  ) => {
    const { userId, organisationId } = whose;
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
    ]).catch(unavailable);
    await record([{ event: 'created', id, userId }], { actorId: userId, reason, origin });
    return { token, session };
  };

  const read = async (id: string) => {
    const text = await redis.get(redisTtlKey(keyPrefix, id)).catch(unavailable);
    const [value, more] = split(text ?? '');
    const session = decodeSession(value);
    return session && !hasEnded(session, nowMs()) ? { session, more } : null;
  };

  const proven = async (token: string) => {
    const presented = readToken(token, design.region);
    const found = presented && (await read(presented.id));
    return found && sameHash(found.session.secretHash, presented.secretHash) ? found.session : null;
  };

  /** Deletes the keys, and forgets them here; the other processes remember. */
  const drop = async (
    userId: string,
    ids: readonly string[],
    what: { event: string; actorId: string; reason: string; origin: Origin },
  ) => {
    if (ids.length === 0) return 0;
    for (const id of ids) remembered.delete(id);
    const [count] = await Promise.all([
      redis.del(...ids.map((id) => redisTtlKey(keyPrefix, id))),
      redis.srem(redisTtlUserKey(keyPrefix, userId), ...ids),
    ]).catch(unavailable);
    await record(
      ids.map((id) => ({ event: what.event, id, userId })),
      what,
    );
    return count;
  };

  const list = async (userId: string): Promise<readonly SessionView[]> => {
    const ids = await redis.smembers(redisTtlUserKey(keyPrefix, userId)).catch(unavailable);
    const all = await Promise.all(ids.slice(0, 100).map(read));
    return all
      .flatMap((one) => (one ? [one] : []))
      .map(({ session: { id, createdAtMs }, more }) => ({
        ...{ id, createdAtMs, lastSeenAtMs: createdAtMs },
        ...(JSON.parse(more) as { device: string | null; ip: string | null }),
      }))
      .sort((a, b) => b.createdAtMs - a.createdAtMs);
  };

  const dropAll = async (
    userId: string,
    { except, ...what }: { except?: string; actorId: string; reason: string; origin: Origin },
  ) => {
    const ids = (await list(userId)).map(({ id }) => id).filter((id) => id !== except);
    return drop(userId, ids, { event: 'revoked', ...what });
  };

  const rotate = async (old: Session, reason: string, origin: Origin, endsAtMs?: number) => {
    await drop(old.userId, [old.id], { event: 'rotated', actorId: old.userId, reason, origin });
    return open(old, reason, origin, endsAtMs);
  };

  return {
    async start() {
      await redis.ping();
    },
    close: nothing,
    async create({ userId, presented }, origin) {
      const old = presented === '' ? null : await proven(presented);
      if (old)
        await drop(old.userId, [old.id], {
          ...{ event: 'rotated', actorId: old.userId, reason: 'login', origin },
        });
      return open({ userId, organisationId: await organisationOf(userId) }, 'login', origin);
    },
    async check(token) {
      const presented = readToken(token, design.region);
      if (!presented) return null;
      const known = remembered.get(presented.id);
      if (known && nowMs() < known.untilMs && nowMs() < known.session.endsAtMs)
        return sameHash(known.secretHash, presented.secretHash) ? known.session : null;
      const found = await read(presented.id);
      if (!found || !sameHash(found.session.secretHash, presented.secretHash)) return null;
      const session = publicSession(found.session);
      remember(session, found.session.secretHash);
      return session;
    },
    // An hour from login, used or not.
    recall: () => null,
    confirmed() {},
    used: nothing,
    async end(token, origin) {
      const session = await proven(token);
      if (!session) return null;
      const { id, userId } = session;
      await drop(userId, [id], { event: 'revoked', actorId: userId, reason: 'logout', origin });
      return session;
    },
    async renew(token, origin) {
      const session = await proven(token);
      return session && rotate(session, 'renewal', origin, session.endsAtMs);
    },
    list,
    async revoke({ userId }, sessionId, origin) {
      const what = { event: 'revoked', actorId: userId, reason: 'revoked-by-user', origin };
      const own = (await list(userId)).some(({ id }) => id === sessionId);
      return own && (await drop(userId, [sessionId], what)) > 0;
    },
    revokeOthers: ({ id, userId }, origin) =>
      dropAll(userId, { except: id, actorId: userId, reason: 'others', origin }),
    revokeAll: (userId, { id, reason }, origin) => dropAll(userId, { actorId: id, reason, origin }),
    async disable(userId, actorId, origin) {
      const text = 'UPDATE users SET disabled_at = coalesce(disabled_at, $2) WHERE id = $1';
      await db.query({ text, values: [userId, isoFromUs(clock.nowUs())] });
      return dropAll(userId, { actorId, reason: 'disabled', origin });
    },
    async changePassword(session, { from, to }, origin) {
      const changed = await db.query({
        text: 'UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING 1',
        values: [session.userId, from, to],
      });
      if (changed.length === 0) return null;
      const reason = 'password-change';
      await dropAll(session.userId, {
        ...{ except: session.id, actorId: session.userId, reason, origin },
      });
      return rotate(session, reason, origin);
    },
    refuse: (userId, origin) =>
      record([{ event: 'refused', id: null, userId }], {
        ...{ actorId: null, reason: 'invalid-credentials', origin },
      }),
  };
}

function split(text: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, '{}'] : [text.slice(0, at), text.slice(at + 1)];
}

function unavailable(cause: unknown): never {
  throw new ServiceError(
    { status: 503, code: 'sessions-unavailable', detail: 'Sessions cannot be checked right now.' },
    { cause },
  );
}
