/** Replication role of a Redis server. */

import { withRedis } from './redis-client.ts';
import { infoFields } from './redis-process.ts';
import type { RedisServer } from './redis-server.ts';

const LIMIT_MS = 2_000;

export async function isRedisPrimary({ url }: RedisServer): Promise<boolean> {
  const field = infoFields(await withRedis(url, LIMIT_MS, (redis) => redis.info('replication')));
  return field('role') === 'master';
}

/** True when the replica holds the primary's data and receives its changes. */
export async function isRedisReplica(
  { url }: RedisServer,
  primary: RedisServer,
): Promise<true | string> {
  const field = infoFields(await withRedis(url, LIMIT_MS, (redis) => redis.info('replication')));
  if (field('role') !== 'slave') return 'it is not a replica';
  if (field('master_port') !== `${primary.port}`) {
    return `it follows the server on port ${field('master_port')}`;
  }
  return field('master_link_status') === 'up' ? true : 'its link to the primary is down';
}
