/** The samples' token buckets keep their own promise, and break that of the exact limiter. */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownRedis } from '../../sim/effects/testbed/fixtures/stores.ts';
import { createBucketLimiter } from './bucket-limiter.ts';
import type { LimitRequest } from './contract.ts';

const server = ownRedis('bucket-limiter');
let redis: Redis;
beforeAll(async () => {
  redis = new Redis(server.url);
});
afterAll(() => redis?.disconnect());

const requestOf = (subject: string): LimitRequest => ({
  tag: 'o:1',
  levels: [
    {
      kind: 'window',
      policy: 'user',
      subject,
      shadow: false,
      limit: 10,
      windowMs: 400,
      weight: 1,
    },
  ],
});
const limiterOf = (redis: Redis, ...user: { capacity: number; refillMs: number }[]) =>
  createBucketLimiter({
    redis,
    keyPrefix: 'b:',
    design: { kind: 'buckets', user, ciKeysUnlimited: false },
  });

describe('token buckets', () => {
  it('admit nearly twice the capacity in one window', async () => {
    const limiter = limiterOf(redis, { capacity: 10, refillMs: 400 });
    const admittedUs: number[] = [];
    for (let i = 0; i < 60; i += 1) {
      const { admitted, atUs, levels } = await limiter.decide(requestOf('1'), 'share');
      if (admitted) admittedUs.push(atUs);
      else expect(levels[0]!.resetUs).toBeGreaterThan(0);
      await delay(5);
    }
    const first = admittedUs[0]!;
    expect(admittedUs.filter((at) => at - first < 400_000).length).toBeGreaterThan(13);
  });

  it('take from all or from none, and return the state of each', async () => {
    const limiter = limiterOf(
      redis,
      { capacity: 100, refillMs: 60_000 },
      { capacity: 2, refillMs: 60_000 },
    );
    const decide = () => limiter.decide(requestOf('2'), 'share');
    expect((await decide()).levels.map(({ policy, remaining }) => [policy, remaining])).toEqual([
      ['user', 99],
      ['user-2', 1],
    ]);
    await decide();
    const refused = await decide();
    expect(refused.admitted).toBe(false);
    expect(refused.levels.map(({ admitted, remaining }) => [admitted, remaining])).toEqual([
      [true, 98],
      [false, 0],
    ]);
  });

  it('refuse everything without Redis', async () => {
    const gone = new Redis(1, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
    gone.on('error', () => {}); // The decision below rejects as well.
    const limiter = limiterOf(gone, { capacity: 10, refillMs: 400 });
    await expect(limiter.decide(requestOf('3'), 'share')).rejects.toMatchObject({ status: 503 });
    gone.disconnect();
  });
});
