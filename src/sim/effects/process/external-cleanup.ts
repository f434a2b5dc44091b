/** Removes our schema and keys from an external PostgreSQL or Redis. Idempotent; every call is bounded. */
import { Redis } from 'ioredis';
import pg from 'pg';

const LIMIT_MS = 5_000;

/** Only names we make ourselves may ever reach a DROP. */
const OUR_SCHEMA = /^platform_[a-z0-9_]{1,48}$/;
const OUR_PREFIX = /^ps:[A-Za-z0-9_-]{1,64}:$/;

export async function dropSchema(claim: { url: string; schema: string }): Promise<void> {
  if (!OUR_SCHEMA.test(claim.schema)) throw new Error(`refusing to drop schema ${claim.schema}`);
  const client = new pg.Client({
    connectionString: claim.url,
    connectionTimeoutMillis: LIMIT_MS,
    query_timeout: LIMIT_MS,
  });
  client.on('error', () => {}); // A connection lost here also fails the query below.
  await client.connect();
  try {
    // Sessions of a gateway that was just killed may still hold locks for a moment.
    await client.query(`SET lock_timeout = '4s'`);
    await client.query(`DROP SCHEMA IF EXISTS "${claim.schema}" CASCADE`);
  } finally {
    await client.end();
  }
}

export async function dropKeys(claim: { url: string; prefix: string }): Promise<void> {
  if (!OUR_PREFIX.test(claim.prefix)) throw new Error(`refusing to delete keys ${claim.prefix}*`);
  const redis = new Redis(claim.url, {
    lazyConnect: true,
    connectTimeout: LIMIT_MS,
    commandTimeout: LIMIT_MS,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  redis.on('error', () => {}); // connect() below rejects with the same error.
  try {
    await redis.connect();
    let cursor = '0';
    do {
      const [next, keys] = await redis.scan(cursor, 'MATCH', `${claim.prefix}*`, 'COUNT', 1_000);
      if (keys.length > 0) await redis.unlink(...keys);
      cursor = next;
    } while (cursor !== '0');
  } finally {
    redis.disconnect();
  }
}
