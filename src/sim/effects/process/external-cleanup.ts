/** Removes our schema and keys from an external PostgreSQL or Redis. Idempotent; every call is bounded. */
import { withPostgres } from '../testbed/stores/postgres-client.ts';
import { withRedis } from '../testbed/stores/redis-client.ts';

const LIMIT_MS = 5_000;

/** Only names that claimPostgres and claimRedis make may reach a DROP or an UNLINK. */
const OUR_SCHEMA = /^platform_[a-z0-9_]{1,48}$/;
const OUR_PREFIX = /^ps:[A-Za-z0-9_-]{1,64}:$/;

export async function dropSchema(claim: { url: string; schema: string }): Promise<void> {
  if (!OUR_SCHEMA.test(claim.schema)) throw new Error(`refusing to drop schema ${claim.schema}`);
  await withPostgres(claim.url, LIMIT_MS, async (client) => {
    // Sessions of a gateway that was just killed may still hold locks for a moment.
    await client.query(`SET lock_timeout = '4s'`);
    await client.query(`DROP SCHEMA IF EXISTS "${claim.schema}" CASCADE`);
  });
}

export async function dropKeys(claim: { url: string; prefix: string }): Promise<void> {
  if (!OUR_PREFIX.test(claim.prefix)) throw new Error(`refusing to delete keys ${claim.prefix}*`);
  await withRedis(claim.url, LIMIT_MS, async (redis) => {
    let cursor = '0';
    do {
      const [next, keys] = await redis.scan(cursor, 'MATCH', `${claim.prefix}*`, 'COUNT', 1_000);
      if (keys.length > 0) await redis.unlink(...keys);
      cursor = next;
    } while (cursor !== '0');
  });
}
