/**
 * Seeds sessions in bulk for any design's store, thousands in about a second. One per entry, returned with its token.
 * Writes no session events, because these are not logins; but for sessions that began long ago it writes when they did,
 * under a request id of its own, so that a checker can tell when they must end.
 */
import type { Redis } from 'ioredis';
import { type Clock, type Database, isoFromUs } from '../ports.ts';
import { createCopyCodec } from './copy-codec.ts';
import type { StoredSession } from './policy.ts';
import { encodeRedisTtlValue, redisTtlKey, redisTtlUserKey } from './redis-ttl/session-keys.ts';
import type { RedisTtlResources } from './redis-ttl/session-operations.ts';
import { makeToken } from './token.ts';

const CHUNK_SIZE = 1_000;
const DEVICE = 'seeded';

export interface SeededSession {
  readonly userId: string;
  readonly organisationId: string;
  readonly sessionId: string;
  readonly token: string;
  /** Without a use or a revocation. */
  readonly endsAtMs: number;
}

/** Sessions that end by themselves, evenly between these times from now. */
export interface SeededEnd {
  readonly by: 'absolute' | 'idle';
  readonly fromMs: number;
  readonly toMs: number;
}

interface SessionToSeed extends StoredSession {
  readonly lastSeenAtMs: number;
}

const SEED_REQUEST = 'seed:session';

export async function seedSessions(
  userIds: readonly string[],
  given: Omit<RedisTtlResources, 'codec'> & {
    readonly sessionKey: Buffer;
    readonly ending?: SeededEnd;
  },
): Promise<readonly SeededSession[]> {
  const { design, random, ending } = given;
  const nowMs = Math.floor(given.clock.nowUs() / 1_000);
  const { store, idleTimeoutMs } = design;
  const lifeMs = store.kind === 'redis-ttl' ? store.ttlMs : design.absoluteTimeoutMs;
  const timesOf = (index: number) => {
    if (ending === undefined) return { createdAtMs: nowMs, lastSeenAtMs: nowMs };
    const { by, fromMs, toMs } = ending;
    const inMs = Math.round(fromMs + ((toMs - fromMs) * (index + 0.5)) / userIds.length);
    const createdAtMs = nowMs + inMs - (by === 'idle' ? idleTimeoutMs : lifeMs);
    return { createdAtMs, lastSeenAtMs: by === 'idle' ? createdAtMs : nowMs };
  };
  const seeded: SeededSession[] = [];
  for (let start = 0; start < userIds.length; start += CHUNK_SIZE) {
    const ids = userIds.slice(start, start + CHUNK_SIZE);
    const organisations = await findOrganisations(ids, given.db);
    const made = ids.map((userId, index): SessionToSeed => {
      const organisationId = organisations.get(userId)!;
      const { token, id, secretHash } = makeToken(design.region, random);
      const times = timesOf(start + index);
      const endsAtMs = times.createdAtMs + lifeMs;
      const idleEndMs = times.lastSeenAtMs + idleTimeoutMs;
      seeded.push({
        userId,
        organisationId,
        sessionId: id,
        token,
        endsAtMs: ending?.by === 'idle' ? idleEndMs : endsAtMs,
      });
      return { id, userId, organisationId, secretHash, ...times, endsAtMs };
    });
    if (ending) await recordBeginnings(made, ending, given.db);
    if (store.kind === 'redis-ttl') await insertIntoRedis(made, given);
    else await insertIntoPostgres(made, given.db);
  }
  return seeded;
}

async function findOrganisations(userIds: readonly string[], db: Database) {
  const rows = await db.query<{ id: string; organisationId: string }>({
    text: 'SELECT id, organisation_id AS "organisationId" FROM users WHERE id = ANY($1::bigint[])',
    values: [userIds],
  });
  return new Map(rows.map(({ id, organisationId }) => [id, organisationId]));
}

async function recordBeginnings(
  sessions: readonly SessionToSeed[],
  { by }: SeededEnd,
  db: Database,
): Promise<void> {
  await db.query({
    text: `INSERT INTO session_events (event, session_id, user_id, actor_id, reason, request_id, at)
           SELECT 'created', id, user_id, user_id, $4, $5, at
             FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS s(id, user_id, at)`,
    values: [
      sessions.map(({ id }) => id),
      sessions.map(({ userId }) => userId),
      sessions.map(({ createdAtMs }) => isoFromUs(createdAtMs * 1_000)),
      by,
      SEED_REQUEST,
    ],
  });
}

async function insertIntoPostgres(sessions: readonly SessionToSeed[], db: Database): Promise<void> {
  await db.query({
    name: 'sessions-seed',
    text: `INSERT INTO sessions (id, user_id, organisation_id, secret_hash, created_at, last_seen_at, ends_at, device)
           SELECT s.*, $8
             FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[]) AS s`,
    values: [
      sessions.map(({ id }) => id),
      sessions.map(({ userId }) => userId),
      sessions.map(({ organisationId }) => organisationId),
      sessions.map(({ secretHash }) => secretHash),
      sessions.map(({ createdAtMs }) => isoFromUs(createdAtMs * 1_000)),
      sessions.map(({ lastSeenAtMs }) => isoFromUs(lastSeenAtMs * 1_000)),
      sessions.map(({ endsAtMs }) => isoFromUs(endsAtMs * 1_000)),
      DEVICE,
    ],
  });
}

async function insertIntoRedis(
  sessions: readonly StoredSession[],
  {
    redis,
    keyPrefix,
    clock,
    sessionKey,
  }: { redis: Redis; keyPrefix: string; clock: Clock; sessionKey: Buffer },
): Promise<void> {
  const nowMs = Math.floor(clock.nowUs() / 1_000);
  const codec = createCopyCodec({ key: sessionKey, nowMs: () => nowMs });
  const pipeline = redis.pipeline();
  for (const session of sessions) {
    const key = redisTtlKey(keyPrefix, session.id);
    const value = encodeRedisTtlValue(session, { device: DEVICE, ip: null }, { codec, key });
    const ttlMs = session.endsAtMs - nowMs;
    pipeline.set(key, value, 'PX', ttlMs);
    pipeline.sadd(redisTtlUserKey(keyPrefix, session.userId), session.id);
  }
  const failed = (await pipeline.exec())?.find(([error]) => error)?.[0];
  if (failed) throw failed;
}
