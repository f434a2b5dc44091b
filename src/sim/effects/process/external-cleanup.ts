/**
 * Removes our schema and keys from an external PostgreSQL or Redis, and checks that they are gone. Idempotent;
 * every call is bounded.
 */
import type { Redis } from 'ioredis';
import { withPostgres } from '../testbed/stores/postgres-client.ts';
import { withRedis } from '../testbed/stores/redis-client.ts';

const LIMIT_MS = 5_000;
const MAX_ROUNDS = 5;

/** Only names that claimPostgres and claimRedis make may reach a DROP or an UNLINK. */
const OUR_SCHEMA = /^platform_[a-z0-9_]{1,48}$/;
const OUR_PREFIX = /^ps:[A-Za-z0-9_-]{1,64}:$/;

export async function dropSchema(claim: { url: string; schema: string }): Promise<void> {
  if (!OUR_SCHEMA.test(claim.schema)) throw new Error(`refusing to drop schema ${claim.schema}`);
  await withPostgres(claim.url, LIMIT_MS, async (client) => {
    // Sessions of a gateway that was just killed may still hold locks for a moment.
    await client.query(`SET lock_timeout = '4s'`);
    await client.query(`DROP SCHEMA IF EXISTS "${claim.schema}" CASCADE`);
    const left = await client.query('SELECT 1 WHERE to_regnamespace($1) IS NOT NULL', [
      claim.schema,
    ]);
    if (left.rows.length > 0) throw new Error(`the schema ${claim.schema} is still there`);
  });
}

export async function dropKeys(claim: { url: string; prefix: string }): Promise<void> {
  if (!OUR_PREFIX.test(claim.prefix)) throw new Error(`refusing to delete keys ${claim.prefix}*`);
  await withRedis(claim.url, LIMIT_MS, async (redis) => {
    // A service that was just killed may have had a write under way: until a round finds none.
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      if ((await unlinkKeys(redis, claim.prefix)) === 0) return;
    }
    throw new Error(`keys below ${claim.prefix} are written while they are removed`);
  });
}

async function unlinkKeys(redis: Redis, prefix: string): Promise<number> {
  let cursor = '0';
  let count = 0;
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1_000);
    if (keys.length > 0) await redis.unlink(...keys);
    count += keys.length;
    cursor = next;
  } while (cursor !== '0');
  return count;
}
