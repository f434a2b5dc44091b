/** The script in Redis and the pure policy are one decision. Redis keeps its own clock, so the windows are short. */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCache } from '../../sim/effects/testbed/cache.ts';
import { createLease, type Lease } from '../../sim/effects/testbed/lease.ts';
import { type RedisServer, startRedis } from '../../sim/effects/testbed/redis.ts';
import { runUser } from '../../sim/effects/testbed/run-user.ts';
import { decideWindow } from './policy.ts';
import { createRateLimiter } from './store.ts';

let lease: Lease;
let server: RedisServer;
let redis: Redis;

beforeAll(async () => {
  const user = runUser();
  lease = createLease({ runId: `limit-test-${process.pid}`, cache: await openCache(user) });
  server = await startRedis({
    lease,
    user,
    cores: null,
    logFile: path.join(lease.folder, 'redis'),
  });
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
  await lease?.release();
});

describe('the window in Redis', () => {
  const limit = { limit: 5, windowMs: 60 };
  const windowUs = limit.windowMs * 1_000;

  it('decides as the policy does, step by step, over random gaps', async () => {
    const limiter = createRateLimiter({ redis, keyPrefix: 'a:' });
    const times = async () => (await redis.lrange('a:limit:user:1', 0, -1)).map(Number);
    let refusals = 0;
    for (let i = 0; i < 150; i += 1) {
      const before = await times();
      const decision = await limiter.decide('user:1', limit);
      const after = await times();
      // The script tells its clock: the new entry, or what is left until the oldest goes.
      const nowUs = decision.admitted ? after[0]! : after.at(-1)! + windowUs - decision.resetUs;
      const step = decideWindow(before, nowUs, limit);
      expect(decision).toEqual(step.decision);
      if (after.length > 0) expect(after).toEqual(step.admissions);
      if (!decision.admitted) refusals += 1;
      await delay((i * 7) % 23);
    }
    expect(refusals).toBeGreaterThan(0);
  });

  it('admits exactly the limit of a burst and lets the key go after the window', async () => {
    const limiter = createRateLimiter({ redis, keyPrefix: 'b:' });
    const burst = { limit: 100, windowMs: 2_000 };
    const decisions = await Promise.all(
      Array.from({ length: 300 }, () => limiter.decide('user:2', burst)),
    );
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(100);
    const ttlMs = await redis.pttl('b:limit:user:2');
    expect(ttlMs > 0 && ttlMs <= burst.windowMs + 1).toBe(true);
  });

  it('fails closed when Redis is gone', async () => {
    const gone = new Redis(server.port + 1, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
    gone.on('error', () => {}); // The decision below rejects as well.
    const limiter = createRateLimiter({ redis: gone, keyPrefix: 'c:' });
    await expect(limiter.decide('user:3', limit)).rejects.toMatchObject({ status: 503 });
    gone.disconnect();
  });
});
