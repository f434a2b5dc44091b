/**
 * The limiter of the sample designs: token buckets per user in Redis, one script. It promises less than the exact one:
 * a window may admit up to twice the capacity, and without Redis everything is refused.
 */
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { BucketsDesign } from '../design.ts';
import { ServiceError } from '../ports.ts';
import type { Limiter, LimitRequest } from './contract.ts';
import { levelKey } from './policy.ts';

type Script = (key: string, ...numbers: readonly number[]) => Promise<number[]>;

// Same depth from src/ and from dist/.
const lua = readFileSync(
  new URL('../../../src/services/rate-limit/lua/buckets.lua', import.meta.url),
  'utf8',
);

export function createBucketLimiter(options: {
  redis: Redis;
  keyPrefix: string;
  design: BucketsDesign;
}): Limiter {
  const buckets = options.design.user;
  options.redis.defineCommand('limitBuckets', { numberOfKeys: 1, lua });
  const redis = options.redis as Redis & { readonly limitBuckets: Script };
  const sizes = buckets.flatMap(({ capacity, refillMs }) => [capacity, refillMs * 1_000]);

  return {
    async start() {},

    /** Only the level `user` is used, for its weight and subject. */
    async decide(request: LimitRequest) {
      const level = request.levels.find(({ policy }) => policy === 'user');
      if (!level) throw new Error('token buckets need a level of policy user');
      const weight = level.kind === 'lease' ? 1 : level.weight;
      const key = `${options.keyPrefix}buckets:${levelKey(request.tag, level)}`;
      const reply = await redis.limitBuckets(key, weight, ...sizes).catch(unavailable);
      return {
        admitted: reply[1] === 1,
        atUs: reply[0]!,
        mode: 'store',
        levels: buckets.map(({ capacity, refillMs }, i) => ({
          policy: i === 0 ? 'user' : `user-${i + 1}`,
          admitted: reply[2 + 3 * i] === 1,
          shadow: false,
          limit: capacity,
          windowMs: refillMs,
          remaining: reply[3 + 3 * i]!,
          resetUs: reply[4 + 3 * i]!,
        })),
      };
    },

    /** Its script does not check conditions. */
    decideIf: async () => 'unmet',
    decideLocally() {
      throw new Error('token buckets are decided by Redis alone');
    },
    async release() {},
    async refund() {},
    async close() {},
  };
}

/** A limit that cannot be checked is not silently lifted. */
function unavailable(cause: unknown): never {
  throw new ServiceError(
    { status: 503, code: 'rate-limit-unavailable', detail: 'Limits cannot be checked right now.' },
    { cause },
  );
}
