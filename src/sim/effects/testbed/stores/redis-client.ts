/** Connections of the harness to one Redis server, with time limits. */
import { Redis } from 'ioredis';
import { normalizeRedisAddress } from '../addresses/redis-address.ts';

/**
 * Connecting and each command take at most `limitMs`, without retries. The caller disconnects it. The address may be
 * one that a user wrote.
 */
export async function connectRedis(url: string, limitMs: number): Promise<Redis> {
  const redis = new Redis(normalizeRedisAddress(url), {
    lazyConnect: true,
    connectTimeout: limitMs,
    commandTimeout: limitMs,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  let cause: unknown;
  redis.on('error', (error) => {
    cause = error; // connect() only says that the connection is closed.
  });
  try {
    await redis.connect();
    return redis;
  } catch (error) {
    redis.disconnect();
    throw cause ?? error;
  }
}

/** Runs `work` on a new connection and closes it. */
export async function withRedis<T>(
  url: string,
  limitMs: number,
  work: (redis: Redis) => Promise<T>,
): Promise<T> {
  const redis = await connectRedis(url, limitMs);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
