/**
 * What a Redis of the operator's must offer, found out without a write. A run asks before it reserves its keys, and
 * `platform doctor` asks the same.
 */
import type { Redis } from 'ioredis';
import { isRedisSocket, normalizeRedisAddress } from '../../addresses/redis-address.ts';
import { withRedis } from '../redis-client.ts';
import { infoFields } from '../redis-process.ts';
import { explainServerFailure, type ServerProblem, unusableServer } from './server-address.ts';

const CONNECT_LIMIT_MS = 5_000;
const OLDEST_VERSION = [6, 2] as const;
const NO_NUMBER =
  'what follows its host is not the number of a database, as in redis://host:6379/1';
const ONE_PRIMARY = 'REDIS_URL=<a primary that is not in a cluster> platform doctor';

export interface RedisFacts {
  /** `redis 7.0.15`, `valkey 8.1.1`. */
  readonly version: string;
  /** Of the Redis that it is compatible with. */
  readonly redisVersion: string;
  readonly mode: string;
  readonly role: string;
  readonly maxMemory: number;
  readonly evictionPolicy: string;
  /** The database of the connection; null where the server does not tell. */
  readonly selected: number | null;
}

/** The database that an address asks for; null when it is not a number. */
export function askedDatabase(address: string): number | null {
  // The path of a socket names no database.
  const { pathname, searchParams } = new URL(address, 'unix://socket');
  const path = isRedisSocket(address) ? '' : pathname.replace(/^\//, '');
  const text = path || (searchParams.get('db') ?? '0');
  return /^\d{1,6}$/.test(text) ? Number(text) : null;
}

/** Null when a run can use the server. */
export function redisProblem(facts: RedisFacts, asked: number): ServerProblem | null {
  const { version, redisVersion, mode, role, selected, evictionPolicy } = facts;
  const [major = 0, minor = 0] = redisVersion.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_VERSION;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor))
    return { why: `it is ${version}, and ${OLDEST_VERSION.join('.')} is the oldest supported` };
  if (mode !== 'standalone')
    return {
      why: `it runs in ${mode} mode, and a run needs all its keys on one server`,
      next: ONE_PRIMARY,
    };
  if (role !== 'master')
    return { why: 'it is a replica, which takes no writes', next: ONE_PRIMARY };
  if (selected !== asked)
    return {
      why: `it selects database ${selected ?? '(unknown)'} where ${asked} was asked for`,
      next: 'REDIS_URL=<the same address with a database it has> platform doctor',
    };
  if (facts.maxMemory > 0 && evictionPolicy !== 'noeviction')
    return {
      why: `it may evict what a run stores: maxmemory is set, with the policy ${evictionPolicy}`,
      next: 'redis-cli config set maxmemory-policy noeviction',
    };
  return null;
}

/** Throws an EnvironmentError when a run cannot keep its keys below `prefix` on the server. Writes nothing. */
export async function inspectRedis(
  address: string,
  prefix = `ps:doctor-${process.pid}:`,
): Promise<RedisFacts & { readonly url: string }> {
  const url = readAddress(address);
  const asked = askedDatabase(url);
  // The client library would send the server whatever stands there.
  if (asked === null) throw unusableServer('REDIS_URL', address, { why: NO_NUMBER });
  try {
    return await withRedis(url, CONNECT_LIMIT_MS, async (redis) => {
      const facts = await readFacts(redis);
      const problem =
        redisProblem(facts, asked) ??
        (await selectProblem(redis, asked)) ??
        (await rightsProblem(redis, prefix));
      if (problem === null) return { ...facts, url };
      throw unusableServer('REDIS_URL', address, problem);
    });
  } catch (cause) {
    throw explainServerFailure('REDIS_URL', address, cause);
  }
}

function readAddress(address: string): string {
  try {
    return normalizeRedisAddress(address);
  } catch (cause) {
    throw explainServerFailure('REDIS_URL', address, cause);
  }
}

async function readFacts(redis: Redis): Promise<RedisFacts> {
  const server = infoFields(await redis.info('server'));
  const memory = infoFields(await redis.info('memory'));
  const role = infoFields(await redis.info('replication'))('role') ?? 'unknown';
  const valkey = server('valkey_version');
  const redisVersion = server('redis_version') ?? '0';
  return {
    version: valkey ? `valkey ${valkey}` : `redis ${redisVersion}`,
    redisVersion,
    mode: server('redis_mode') ?? 'standalone',
    role,
    maxMemory: Number(memory('maxmemory') ?? 0),
    evictionPolicy: memory('maxmemory_policy') ?? 'noeviction',
    selected: await readSelected(redis),
  };
}

async function readSelected(redis: Redis): Promise<number | null> {
  const text = String(await redis.call('CLIENT', 'INFO'));
  const found = /\bdb=(\d+)/.exec(text)?.[1];
  return found === undefined ? null : Number(found);
}

/** The client library goes on in database 0 when the server refuses to select another. */
async function selectProblem(redis: Redis, asked: number): Promise<ServerProblem | null> {
  return await redis.select(asked).then(
    () => null,
    (error: Error) => ({ why: `it refuses SELECT ${asked}: ${error.message}` }),
  );
}

/** One of each kind that a run uses; none changes anything, because the key does not exist. */
const PROBES = (key: string): readonly (readonly [string, ...string[]])[] => [
  ['SET', key, '1', 'XX'],
  ['PEXPIRE', key, '1'],
  ['HDEL', key, 'field'],
  ['SREM', key, 'member'],
  ['ZREMRANGEBYSCORE', key, '0', '0'],
  ['RPOP', key],
  ['UNLINK', key],
  ['EVAL', `return redis.call('PEXPIRE', KEYS[1], 1)`, '1', key],
  ['SCAN', '0', 'MATCH', `${key}*`, 'COUNT', '1'],
];

/** Missing rights, a full memory, a disk that stops writes: what would refuse the run's first write. */
async function rightsProblem(redis: Redis, prefix: string): Promise<ServerProblem | null> {
  for (const [command, ...rest] of PROBES(`${prefix}probe`)) {
    const refused = await redis.call(command, ...rest).then(
      () => null,
      (error: Error) => error.message,
    );
    if (refused === null) continue;
    return {
      why: `it refuses ${command} below ${prefix}: ${refused}`,
      next: 'redis-cli acl whoami, then allow that user: ~ps:* +@all -@dangerous +info +client +scan',
    };
  }
  return null;
}
