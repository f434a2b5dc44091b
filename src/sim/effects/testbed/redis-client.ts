/** One bounded connection of the harness to a single Redis server, closed when the work is done. */
import { Redis } from 'ioredis';

/** Connecting and each command take at most `limitMs`; nothing is tried twice. */
export async function withRedis<T>(
  url: string,
  limitMs: number,
  work: (redis: Redis) => Promise<T>,
): Promise<T> {
  const redis = new Redis(url, {
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
    return await work(redis);
  } catch (error) {
    throw cause ?? error;
  } finally {
    redis.disconnect();
  }
}
