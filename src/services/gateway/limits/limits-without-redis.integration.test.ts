/**
 * Four limiters without their Redis: it stays down, PostgreSQL is down as well, too many decisions are in flight, and two
 * processes have one name. Nothing here measures how long a decision takes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { eventually } from '../../../sim/effects/testbed/fixtures/bed.ts';
import {
  fullestWindow,
  LIMIT,
  setUpFourLimiters,
  untilAllUseRedis,
  WINDOW_MS,
} from '../fixtures/four-limiters.ts';
import { startSaturatingLoad } from '../fixtures/limiters.ts';

const { redis, members, addMember, limitRequest, killRedis } =
  setUpFourLimiters('limits-without-redis');

it('stays down: shares expand to the whole limit, and shrink before Redis is used again', async () => {
  const load = startSaturatingLoad(members(), limitRequest);
  await delay(300);
  await killRedis();
  await eventually('expanded', () => load.decisions.at(-1)?.limit === LIMIT / 4);
  await delay(WINDOW_MS);
  await redis.startAgain();
  await untilAllUseRedis(load.decisions);
  const decisions = await load.stop();
  expect(fullestWindow(decisions)).toBeLessThanOrEqual(1.1 * LIMIT);
  const grown = decisions.filter((one) => one.mode === 'share' && one.admitted && one.limit === 25);
  expect(grown.length).toBeGreaterThan(0.5 * LIMIT);
});

it('down with PostgreSQL: shares stay, the failure is reported once, `closed` requests are refused', async () => {
  const load = startSaturatingLoad(members(), limitRequest);
  await delay(300);
  for (const { cut } of members()) cut.database(true);
  await killRedis();
  await delay(2 * WINDOW_MS);
  const refused = await members()[0]!.limiter.decide(limitRequest(), 'closed');
  expect(refused).toMatchObject({ admitted: false, mode: 'closed' });
  expect(refused.levels).toMatchObject([{ policy: 'user', limit: 0, resetUs: 250_000 }]);
  const late = load.decisions.filter(({ endedMs }) => endedMs > performance.now() - WINDOW_MS);
  expect(new Set(late.map((one) => one.limit))).toEqual(new Set([2]));
  for (const { reports } of members()) expect(reports).toEqual(['cut off']);
  for (const { cut } of members()) cut.database(false);
  await redis.startAgain();
  await untilAllUseRedis(load.decisions);
  expect(fullestWindow(await load.stop())).toBeLessThanOrEqual(1.1 * LIMIT);
});

it('has a bounded number of decisions in flight; others are decided locally at once', async () => {
  process.kill(redis.pid, 'SIGSTOP');
  const { limiter, seen } = members()[0]!;
  const decisions = Array.from({ length: 6_000 }, () => limiter.decide(limitRequest(), 'share'));
  await Promise.resolve();
  // The bound is 5,000, and the batch that reaches it is sent whole.
  expect(seen).toEqual({ store: 0, share: 976, closed: 0 });
  await Promise.all(decisions);
  expect(seen).toEqual({ store: 0, share: 6_000, closed: 0 });
  process.kill(redis.pid, 'SIGCONT');
});

it('admits by one process of a name only: the newer one', async () => {
  const [older] = members();
  const newer = await addMember('gateway.1');
  await eventually('reported', () => older!.reports.length > 0);
  expect(older!.reports[0]).toContain('another process limits as gateway.1');
  expect(await older!.limiter.decide(limitRequest(), 'share')).toMatchObject({
    admitted: false,
    mode: 'share',
    levels: [{ limit: 0 }],
  });
  expect(await newer.limiter.decide(limitRequest(), 'share')).toMatchObject({
    admitted: true,
    mode: 'store',
  });
});
