/**
 * Seeds sessions in bulk for any design's store, thousands in about a second. One per user, returned with its token.
 * Writes no session events, because these are not logins.
 */
import type { Redis } from 'ioredis';
import type { SessionsDesign } from '../design.ts';
import { type Clock, type Database, isoFromUs, type Random } from '../ports.ts';
import { absoluteEndMs, type StoredSession } from './policy.ts';
import { encodeRedisTtlValue, redisTtlKey, redisTtlUserKey } from './redis-ttl/session-keys.ts';
import { makeToken } from './token.ts';

const CHUNK_SIZE = 1_000;
const DEVICE = 'seeded';

export interface SeededSession {
  readonly userId: string;
  readonly organisationId: string;
  readonly sessionId: string;
  readonly token: string;
}

export async function seedSessions(
  userIds: readonly string[],
  given: {
    db: Database;
    redis: Redis;
    keyPrefix: string;
    clock: Clock;
    random: Random;
    design: SessionsDesign;
  },
): Promise<readonly SeededSession[]> {
  const { design, random } = given;
  const createdAtMs = Math.floor(given.clock.nowUs() / 1_000);
  const { store } = design;
  const endsAtMs =
    store.kind === 'redis-ttl' ? createdAtMs + store.ttlMs : absoluteEndMs(createdAtMs, design);
  const seeded: SeededSession[] = [];
  for (let start = 0; start < userIds.length; start += CHUNK_SIZE) {
    const ids = userIds.slice(start, start + CHUNK_SIZE);
    const organisations = await findOrganisations(ids, given.db);
    const made = ids.map((userId) => {
      const organisationId = organisations.get(userId)!;
      const { token, id, secretHash } = makeToken(design.region, random);
      seeded.push({ userId, organisationId, sessionId: id, token });
      return { id, userId, organisationId, secretHash, createdAtMs, endsAtMs };
    });
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

async function insertIntoPostgres(sessions: readonly StoredSession[], db: Database): Promise<void> {
  const [first] = sessions;
  await db.query({
    name: 'sessions-seed',
    text: `INSERT INTO sessions (id, user_id, organisation_id, secret_hash, created_at, last_seen_at, ends_at, device)
           SELECT id, user_id, organisation_id, secret_hash, $5, $5, $6, $7
             FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[]) AS s(id, user_id, organisation_id, secret_hash)`,
    values: [
      sessions.map(({ id }) => id),
      sessions.map(({ userId }) => userId),
      sessions.map(({ organisationId }) => organisationId),
      sessions.map(({ secretHash }) => secretHash),
      isoFromUs(first!.createdAtMs * 1_000),
      isoFromUs(first!.endsAtMs * 1_000),
      DEVICE,
    ],
  });
}

async function insertIntoRedis(
  sessions: readonly StoredSession[],
  { redis, keyPrefix }: { redis: Redis; keyPrefix: string },
): Promise<void> {
  const pipeline = redis.pipeline();
  for (const session of sessions) {
    const value = encodeRedisTtlValue(session, { device: DEVICE, ip: null });
    const ttlMs = session.endsAtMs - session.createdAtMs;
    pipeline.set(redisTtlKey(keyPrefix, session.id), value, 'PX', ttlMs);
    pipeline.sadd(redisTtlUserKey(keyPrefix, session.userId), session.id);
  }
  const failed = (await pipeline.exec())?.find(([error]) => error)?.[0];
  if (failed) throw failed;
}
