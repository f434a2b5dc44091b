/**
 * Four limiters asked without pause while Redis is killed and comes back empty, is paused, or is gone for one of them: no
 * window holds more than 1.1 times the limit, no decision waits, every process uses Redis again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import {
  allBack,
  fourLimiters,
  limit,
  modesSince,
  windowMs,
  worst,
} from './fixtures/four-limiters.ts';
import { hammer } from './fixtures/limiters.ts';

const { redis, members, question, kill } = fourLimiters('degraded-limits');

it('is killed and comes back empty: a tenth more at most, and Redis is left alone for a window', async () => {
  const load = hammer(members(), question);
  await delay(700);
  await kill();
  const lostMs = performance.now();
  await redis.startAgain();
  await allBack(load.asked);
  const backMs = performance.now();
  await delay(500);
  const asked = await load.stop();

  expect(worst(asked)).toBeLessThanOrEqual(1.1 * limit);
  expect(worst(asked)).toBeGreaterThan(limit);
  expect(backMs - lostMs).toBeGreaterThan(windowMs - 200);
  const after = asked.filter(({ endedMs, mode }) => endedMs > lostMs + 200 && mode === 'share');
  expect(Math.max(...after.map(({ tookMs }) => tookMs))).toBeLessThan(200);
  // What is said is what is kept: a quarter of a tenth.
  expect(new Set(after.map((one) => one.limit))).toEqual(new Set([2]));
});

it('stands still: decided locally meanwhile, used again at once', async () => {
  const load = hammer(members(), question);
  await delay(300);
  process.kill(redis.pid, 'SIGSTOP');
  await delay(1_500);
  expect(modesSince(load.asked, performance.now() - 500)).toEqual(new Set(['share']));
  process.kill(redis.pid, 'SIGCONT');
  const onMs = performance.now();
  await allBack(load.asked);
  expect(performance.now() - onMs).toBeLessThan(windowMs);
  const asked = await load.stop();
  expect(worst(asked)).toBeLessThanOrEqual(1.1 * limit);
  expect(Math.max(...asked.map(({ tookMs }) => tookMs))).toBeLessThan(400);
});

it('is gone for one process only: the others go on, the one has its part', async () => {
  const load = hammer(members(), question);
  await delay(300);
  members()[0]!.cut.redis(true);
  const cutMs = performance.now();
  await delay(2 * windowMs);
  const during = load.asked.filter(({ endedMs }) => endedMs > cutMs + 300);
  members()[0]!.cut.redis(false);
  await allBack(load.asked);
  const asked = await load.stop();
  for (const { member, mode } of during) expect(mode).toBe(member === 0 ? 'share' : 'store');
  expect(during.some(({ mode, admitted }) => mode === 'share' && admitted)).toBe(true);
  expect(worst(asked)).toBeLessThanOrEqual(1.1 * limit);
});

it('is not slow because this process stood still', async () => {
  const decisions = Array.from({ length: 20 }, () =>
    members()[0]!.limiter.decide(question(), 'share'),
  );
  await Promise.resolve();
  // Every timer is late when this ends, and every answer has arrived.
  const untilMs = performance.now() + 500;
  while (performance.now() < untilMs);
  for (const { mode } of await Promise.all(decisions)) expect(mode).toBe('store');
});
