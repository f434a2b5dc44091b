/**
 * One-shot: puts limiters beside each other on the Redis it is given and writes the comparison as JSON. Params:
 * outFile, windowMs (whole seconds, for the library's sake), windows, limit, users, rounds, decisions.
 */
import { writeFile } from 'node:fs/promises';
import type { Redis } from 'ioredis';
import { ConfigError, readParams } from '../gateway/process-config.ts';
import { openRedis } from '../gateway/redis-clients.ts';
import { compareLimiters } from '../rate-limit/comparison/compare.ts';
import { seededRandom } from '../rate-limit/comparison/seeded-random.ts';
import { runOneShot } from './one-shot.ts';

await runOneShot(
  async ({ redisUrl, redisPrefix, seed, params: given }) => {
    const params = readParams(given, 'params');
    const outFile = params.string('outFile');
    const windowMs = params.integer('windowMs', 10_000);
    if (windowMs === 0 || windowMs % 1_000 !== 0)
      throw new ConfigError('the window must be whole seconds');
    const connections: Redis[] = [];
    let lost: Error | undefined;
    const connect = () => {
      const redis = openRedis(redisUrl, (error) => {
        lost = error;
      });
      connections.push(redis);
      return redis;
    };
    const keyPrefix = `${redisPrefix}compare:`;
    try {
      const comparison = await compareLimiters({
        ...{ connect, keyPrefix, windowMs, random: seededRandom(seed) },
        windows: params.integer('windows', 4),
        limit: params.integer('limit', 100),
        users: params.integer('users', 10_000),
        rounds: params.integer('rounds', 7),
        decisions: params.integer('decisions', 5_000),
      });
      await removeKeys(connect(), keyPrefix);
      if (lost) throw new Error('Redis was lost in the middle of the comparison', { cause: lost });
      await writeFile(outFile, `${JSON.stringify(comparison, null, 2)}\n`);
    } finally {
      for (const redis of connections) redis.disconnect();
    }
  },
  { hasDatabase: false },
);

/** What the users left would count for whoever looks at this Redis next. */
async function removeKeys(redis: Redis, keyPrefix: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: `${keyPrefix}*`, count: 1_000 }))
    if (keys.length > 0) await redis.unlink(...keys);
}
