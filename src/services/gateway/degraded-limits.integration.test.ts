/**
 * Four limiters under saturating load while Redis is killed and restarts empty, is paused, or is unreachable for one of
 * them: no window holds more than 1.1 times the limit, no decision waits, every process uses Redis again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import {
  fullestWindow,
  LIMIT,
  modesSince,
  setUpFourLimiters,
  untilAllUseRedis,
  WINDOW_MS,
} from './fixtures/four-limiters.ts';
import { startSaturatingLoad } from './fixtures/limiters.ts';

const { redis, members, limitRequest, killRedis } = setUpFourLimiters('degraded-limits');

it('killed and restarted empty: at most 1.1 times the limit, and Redis is unused for a window', async () => {
  const load = startSaturatingLoad(members(), limitRequest);
  await delay(700);
  await killRedis();
  const lostMs = performance.now();
  await redis.startAgain();
  await untilAllUseRedis(load.decisions);
  const backMs = performance.now();
  await delay(500);
  const decisions = await load.stop();

  expect(fullestWindow(decisions)).toBeLessThanOrEqual(1.1 * LIMIT);
  expect(fullestWindow(decisions)).toBeGreaterThan(LIMIT);
  expect(backMs - lostMs).toBeGreaterThan(WINDOW_MS - 200);
  const after = decisions.filter(({ endedMs, mode }) => endedMs > lostMs + 200 && mode === 'share');
  expect(Math.max(...after.map(({ tookMs }) => tookMs))).toBeLessThan(200);
  // The limit in the decisions is the one that is enforced: a quarter of a tenth.
  expect(new Set(after.map((one) => one.limit))).toEqual(new Set([2]));
});

it('paused: limiters decide locally meanwhile, and use it again at once', async () => {
  const load = startSaturatingLoad(members(), limitRequest);
  await delay(300);
  process.kill(redis.pid, 'SIGSTOP');
  await delay(1_500);
  expect(modesSince(load.decisions, performance.now() - 500)).toEqual(new Set(['share']));
  process.kill(redis.pid, 'SIGCONT');
  const onMs = performance.now();
  await untilAllUseRedis(load.decisions);
  expect(performance.now() - onMs).toBeLessThan(WINDOW_MS);
  const decisions = await load.stop();
  expect(fullestWindow(decisions)).toBeLessThanOrEqual(1.1 * LIMIT);
  expect(Math.max(...decisions.map(({ tookMs }) => tookMs))).toBeLessThan(400);
});

it('unreachable for one process: that one decides by its share, the others by Redis', async () => {
  const load = startSaturatingLoad(members(), limitRequest);
  await delay(300);
  members()[0]!.cut.redis(true);
  const cutMs = performance.now();
  await delay(2 * WINDOW_MS);
  const during = load.decisions.filter(({ endedMs }) => endedMs > cutMs + 300);
  members()[0]!.cut.redis(false);
  await untilAllUseRedis(load.decisions);
  const decisions = await load.stop();
  for (const { member, mode } of during) expect(mode).toBe(member === 0 ? 'share' : 'store');
  expect(during.some(({ mode, admitted }) => mode === 'share' && admitted)).toBe(true);
  expect(fullestWindow(decisions)).toBeLessThanOrEqual(1.1 * LIMIT);
});

it('is not taken for slow when the event loop of this process was blocked', async () => {
  const decisions = Array.from({ length: 20 }, () =>
    members()[0]!.limiter.decide(limitRequest(), 'share'),
  );
  await Promise.resolve();
  // When this ends, every timer is late and every reply has arrived.
  const untilMs = performance.now() + 500;
  while (performance.now() < untilMs);
  for (const { mode } of await Promise.all(decisions)) expect(mode).toBe('store');
});
