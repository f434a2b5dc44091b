/**
 * One-shot: compares limiters on the given Redis and writes the comparison as JSON. Params: outFile, windowMs (whole
 * seconds, because one compared library takes no others), windows, limit, users, rounds, decisions.
 */
import { writeFile } from 'node:fs/promises';
import type { Redis } from 'ioredis';
import { ConfigError, readParams } from '../gateway/process-config.ts';
import { openRedis } from '../gateway/redis-clients.ts';
import { compareLimiters } from '../rate-limit/comparison/compare.ts';
import { seededRandom } from '../rate-limit/comparison/seeded-random.ts';
import { runOneShot } from './one-shot.ts';

await runOneShot(
  async ({ redisUrl, redisPrefix, seed, params: rawParams }) => {
    const params = readParams(rawParams, 'params');
    const outFile = params.string('outFile');
    const windowMs = params.integer('windowMs', 10_000);
    if (windowMs === 0 || windowMs % 1_000 !== 0)
      throw new ConfigError('the window must be whole seconds');
    const connections: Redis[] = [];
    let connectionError: Error | undefined;
    const connect = () => {
      const redis = openRedis(redisUrl, (error) => {
        connectionError = error;
      });
      connections.push(redis);
      return redis;
    };
    const keyPrefix = `${redisPrefix}compare:`;
    try {
      const comparison = await compareLimiters({
        connect,
        keyPrefix,
        windowMs,
        random: seededRandom(seed),
        windows: params.integer('windows', 4),
        limit: params.integer('limit', 100),
        users: params.integer('users', 10_000),
        rounds: params.integer('rounds', 7),
        decisions: params.integer('decisions', 5_000),
      });
      await removeKeys(connect(), keyPrefix);
      if (connectionError)
        throw new Error('the connection to Redis was lost during the comparison', {
          cause: connectionError,
        });
      await writeFile(outFile, `${JSON.stringify(comparison, null, 2)}\n`);
    } finally {
      for (const redis of connections) redis.disconnect();
    }
  },
  { hasDatabase: false },
);

/** The keys would count as memory of this Redis in later measurements. */
async function removeKeys(redis: Redis, keyPrefix: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: `${keyPrefix}*`, count: 1_000 }))
    if (keys.length > 0) await redis.unlink(...keys);
}
