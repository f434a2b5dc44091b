/** The limiter in Redis: one script, one key per subject, at most `limit` entries of 16 bytes in it. */
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { ServiceError } from '../ports.ts';
import type { RateLimiter } from './contract.ts';

// Same depth from src/ and from dist/.
const script = readFileSync(
  new URL('../../../src/services/rate-limit/window.lua', import.meta.url),
  'utf8',
);

interface RedisWithWindow extends Redis {
  decideWindow(key: string, limit: number, windowMs: number): Promise<[number, number, number]>;
}

export function createRateLimiter(given: { redis: Redis; keyPrefix: string }): RateLimiter {
  const redis = given.redis as RedisWithWindow;
  redis.defineCommand('decideWindow', { numberOfKeys: 1, lua: script });
  const prefix = `${given.keyPrefix}limit:`;

  return {
    async decide(subject, { limit, windowMs }) {
      const [admitted, remaining, resetUs] = await redis
        .decideWindow(prefix + subject, limit, windowMs)
        .catch(unavailable);
      return { admitted: admitted === 1, remaining, resetUs };
    },
  };
}

/** A limit that cannot be checked is not silently lifted. */
function unavailable(cause: unknown): never {
  throw new ServiceError(
    { status: 503, code: 'rate-limit-unavailable', detail: 'Limits cannot be checked right now.' },
    { cause },
  );
}
