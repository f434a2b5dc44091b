/**
 * Six limiters of `limit` units in `windowMs` on one Redis: the usual algorithms, each in one script as it is usually
 * written, a library, and ours. Only for the comparison.
 */
import type { Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { createLimitStore } from '../store.ts';

export interface ComparedLimiter {
  readonly id: string;
  readonly name: string;
  readonly ours: boolean;
  /** Matches every key of this limiter. */
  readonly keyPattern: string;
  take(subject: string, units: number): Promise<boolean>;
}

export interface ComparedLimiterOptions {
  /** A connection for each, so that none waits behind another. */
  connect(): Redis;
  readonly keyPrefix: string;
  readonly limit: number;
  readonly windowMs: number;
}

const fixedWindow = `
local used = redis.call('INCRBY', KEYS[1], ARGV[3])
if used == tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return used <= tonumber(ARGV[1]) and 1 or 0`;

const tokenBucket = `
local limit, window, units = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000, tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = math.min(limit, (held[1] or limit) + (now - (held[2] or now)) * limit / window)
local admitted = tokens >= units
if admitted then tokens = tokens - units end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return admitted and 1 or 0`;

const gcra = `
local limit, window, units = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000, tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tat = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0')) + units * window / limit
if tat - window > now then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
return 1`;

/** As in @upstash/ratelimit: the clock is the caller's. */
const twoWindows = `
local limit, window, units, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local current = tonumber(redis.call('GET', KEYS[1]) or '0')
local previous = tonumber(redis.call('GET', KEYS[2]) or '0')
previous = math.floor((1 - (now % window) / window) * previous)
if previous + current >= limit then return 0 end
local used = redis.call('INCRBY', KEYS[1], units)
if used == units then redis.call('PEXPIRE', KEYS[1], window * 2 + 1000) end
return limit - (used + previous) >= 0 and 1 or 0`;

export function createComparedLimiters(options: ComparedLimiterOptions): ComparedLimiter[] {
  return [
    createScriptedLimiter(
      'fixed-window',
      'fixed window',
      fixedWindow,
      options,
      (key, windowIndex) => [key + windowIndex],
    ),
    createScriptedLimiter('token-bucket', 'token bucket', tokenBucket, options, (key) => [key]),
    createScriptedLimiter('gcra', 'GCRA', gcra, options, (key) => [key]),
    createScriptedLimiter(
      'two-windows',
      'sliding counter',
      twoWindows,
      options,
      (key, windowIndex) => [key + windowIndex, key + (windowIndex - 1)],
    ),
    createLibraryLimiter(options),
    createOurLimiter(options),
  ];
}

function createScriptedLimiter(
  id: string,
  name: string,
  lua: string,
  { connect, keyPrefix, limit, windowMs }: ComparedLimiterOptions,
  keysOf: (key: string, windowIndex: number) => string[],
): ComparedLimiter {
  const redis = connect() as Redis & {
    take(keys: number, ...args: (string | number)[]): Promise<number>;
  };
  redis.defineCommand('take', { lua });
  return {
    id,
    name,
    ours: false,
    keyPattern: `${keyPrefix}${id}:*`,
    async take(subject, units) {
      const now = Date.now();
      const keys = keysOf(`${keyPrefix}${id}:${subject}:`, Math.floor(now / windowMs));
      return (await redis.take(keys.length, ...keys, limit, windowMs, units, now)) === 1;
    },
  };
}

function createLibraryLimiter({
  connect,
  keyPrefix,
  limit,
  windowMs,
}: ComparedLimiterOptions): ComparedLimiter {
  // The library takes whole seconds only.
  const duration = Math.ceil(windowMs / 1_000);
  const limiter = new RateLimiterRedis({
    storeClient: connect(),
    keyPrefix: `${keyPrefix}library`,
    points: limit,
    duration,
  });
  return {
    id: 'library',
    name: 'rate-limiter-flexible',
    ours: false,
    keyPattern: `${keyPrefix}library:*`,
    async take(subject, units) {
      try {
        await limiter.consume(subject, units);
        return true;
      } catch (refused) {
        if (refused instanceof RateLimiterRes) return false;
        throw refused;
      }
    },
  };
}

function createOurLimiter({
  connect,
  keyPrefix,
  limit,
  windowMs,
}: ComparedLimiterOptions): ComparedLimiter {
  const store = createLimitStore({ redis: connect(), keyPrefix: `${keyPrefix}ours:` });
  const common = { kind: 'window' as const, policy: 'user', limit, windowMs, shadow: false };
  return {
    id: 'ours',
    name: 'ours (exact log)',
    ours: true,
    keyPattern: `${keyPrefix}ours:*`,
    async take(subject, weight) {
      const level = { ...common, subject, weight };
      const { admitted } = await store.decide({ tag: `o:${subject}`, levels: [level] });
      return admitted;
    },
  };
}
