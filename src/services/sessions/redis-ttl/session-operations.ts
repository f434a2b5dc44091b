/** Opens, reads and deletes sessions in Redis, and writes their events to PostgreSQL afterwards. */
import type { Redis } from 'ioredis';
import type { SessionsDesign } from '../../design.ts';
import { type Clock, type Database, isoFromUs, type Random, ServiceError } from '../../ports.ts';
import { hashesEqual } from '../../secret-token.ts';
import type { CreatedSession, Origin, RevokeKeys, Session, SessionView } from '../contract.ts';
import type { CopyCodec } from '../copy-codec.ts';
import { hasEnded, type StoredSession } from '../policy.ts';
import { makeToken, readToken } from '../token.ts';
import {
  decodeRedisTtlValue,
  encodeRedisTtlValue,
  parseDetails,
  redisTtlKey,
  redisTtlUserKey,
} from './session-keys.ts';

export interface RedisTtlResources {
  readonly db: Database;
  readonly redis: Redis;
  readonly keyPrefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly design: SessionsDesign;
  readonly codec: CopyCodec;
  readonly revokeKeys?: RevokeKeys;
}

export interface RedisTtlContext extends RedisTtlResources {
  readonly ttlMs: number;
  /** Called with each session that is about to be deleted. */
  readonly onDelete: (id: string) => void;
}

/** What the events of a change say. */
interface Cause {
  readonly actorId: string | null;
  readonly reason: string;
  readonly origin: Origin;
}

export const nowMs = (clock: Clock): number => Math.floor(clock.nowUs() / 1_000);

/** Ends at `endsAtMs`, or after the TTL. */
export async function openSession(
  context: RedisTtlContext,
  { userId, organisationId }: Pick<Session, 'userId' | 'organisationId'>,
  reason: string,
  origin: Origin,
  endsAtMs?: number,
): Promise<CreatedSession> {
  const { redis, keyPrefix, clock, random, design, codec } = context;
  const { token, id, secretHash } = makeToken(design.region, random);
  const createdAtMs = nowMs(clock);
  const endsAt = endsAtMs ?? createdAtMs + context.ttlMs;
  const session = { id, userId, organisationId, createdAtMs, endsAtMs: endsAt };
  const key = redisTtlKey(keyPrefix, id);
  const value = encodeRedisTtlValue({ ...session, secretHash }, origin, { codec, key });
  const ttlMs = session.endsAtMs - createdAtMs;
  await Promise.all([
    redis.set(key, value, 'PX', ttlMs),
    redis.sadd(redisTtlUserKey(keyPrefix, userId), id),
  ]).catch(throwUnavailable);
  const cause = { actorId: userId, reason, origin };
  await insertEvents(context, [{ event: 'created', id, userId }], cause);
  return { token, session };
}

export async function readSession(
  { redis, keyPrefix, clock, codec }: RedisTtlContext,
  id: string,
): Promise<{ session: StoredSession; detailsJson: string } | null> {
  const key = redisTtlKey(keyPrefix, id);
  const text = await redis.get(key).catch(throwUnavailable);
  const found = decodeRedisTtlValue(text ?? '', { codec, key });
  return found && !hasEnded(found.session, nowMs(clock)) ? found : null;
}

/** The session a token proves possession of. */
export async function findByToken(
  context: RedisTtlContext,
  token: string,
): Promise<StoredSession | null> {
  const presented = readToken(token, context.design.region);
  const found = presented && (await readSession(context, presented.id));
  return found && hashesEqual(found.session.secretHash, presented.secretHash)
    ? found.session
    : null;
}

export async function listSessions(
  context: RedisTtlContext,
  userId: string,
): Promise<readonly SessionView[]> {
  const { redis, keyPrefix } = context;
  const ids = await redis.smembers(redisTtlUserKey(keyPrefix, userId)).catch(throwUnavailable);
  const all = await Promise.all(ids.slice(0, 100).map((id) => readSession(context, id)));
  return (
    all
      // The set of ids has no MAC.
      .flatMap((one) => (one?.session.userId === userId ? [one] : []))
      .map(({ session: { id, createdAtMs }, detailsJson }) => ({
        id,
        createdAtMs,
        lastSeenAtMs: createdAtMs,
        ...parseDetails(detailsJson),
      }))
      .sort((a, b) => b.createdAtMs - a.createdAtMs)
  );
}

/** Deletes the keys and this process's cached sessions; the other processes keep theirs. How many were deleted. */
export async function deleteSessions(
  context: RedisTtlContext,
  userId: string,
  ids: readonly string[],
  { event, ...cause }: Cause & { readonly event: 'revoked' | 'rotated' },
): Promise<number> {
  if (ids.length === 0) return 0;
  const { redis, keyPrefix, onDelete } = context;
  for (const id of ids) onDelete(id);
  const [count] = await Promise.all([
    redis.del(...ids.map((id) => redisTtlKey(keyPrefix, id))),
    redis.srem(redisTtlUserKey(keyPrefix, userId), ...ids),
  ]).catch(throwUnavailable);
  const events = ids.map((id) => ({ event, id, userId }));
  await insertEvents(context, events, cause);
  return count;
}

/** All sessions of a user but `except`. */
export async function deleteUserSessions(
  context: RedisTtlContext,
  userId: string,
  { except, ...cause }: Cause & { readonly except?: string },
): Promise<number> {
  const sessions = await listSessions(context, userId);
  const ids = sessions.map(({ id }) => id).filter((id) => id !== except);
  return deleteSessions(context, userId, ids, { event: 'revoked', ...cause });
}

/** Deletes a session because its user gets another one. */
export const deleteRotated = (
  context: RedisTtlContext,
  { id, userId }: Session,
  reason: string,
  origin: Origin,
): Promise<number> =>
  deleteSessions(context, userId, [id], { event: 'rotated', actorId: userId, reason, origin });

export async function insertEvents(
  { db, clock }: RedisTtlContext,
  events: readonly { event: string; id: string | null; userId: string | null }[],
  { actorId, reason, origin }: Cause,
): Promise<void> {
  if (events.length === 0) return;
  await db.query({
    text: `INSERT INTO session_events (event, session_id, user_id, actor_id, reason, request_id, at, client_request_id)
           SELECT event, session_id, user_id, $4, $5, $6, $7, $8
             FROM unnest($1::text[], $2::text[], $3::bigint[]) AS e(event, session_id, user_id)`,
    values: [
      events.map(({ event }) => event),
      events.map(({ id }) => id),
      events.map(({ userId }) => userId),
      actorId,
      reason,
      origin.requestId,
      isoFromUs(clock.nowUs()),
      origin.clientRequestId,
    ],
  });
}

function throwUnavailable(cause: unknown): never {
  throw new ServiceError(
    { status: 503, code: 'sessions-unavailable', detail: 'Sessions cannot be checked right now.' },
    { cause },
  );
}
