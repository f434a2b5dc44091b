/**
 * Four limiters without their Redis: it stays away, PostgreSQL is gone as well, too many ask at one time, and two have one
 * name. None of it is about how long a decision takes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { eventually } from '../../sim/effects/testbed/fixtures/bed.ts';
import { allBack, fourLimiters, limit, windowMs, worst } from './fixtures/four-limiters.ts';
import { hammer } from './fixtures/limiters.ts';

const { redis, members, join, question, kill } = fourLimiters('limits-without-redis');

it('stays away: the share becomes the whole; and shrinks before Redis is used again', async () => {
  const load = hammer(members(), question);
  await delay(300);
  await kill();
  await eventually('grown', () => load.asked.at(-1)?.limit === limit / 4);
  await delay(windowMs);
  await redis.startAgain();
  await allBack(load.asked);
  const asked = await load.stop();
  expect(worst(asked)).toBeLessThanOrEqual(1.1 * limit);
  const grown = asked.filter((one) => one.mode === 'share' && one.admitted && one.limit === 25);
  expect(grown.length).toBeGreaterThan(0.5 * limit);
});

it('is gone with PostgreSQL: the share stays, the failure is told once, credentials are refused', async () => {
  const load = hammer(members(), question);
  await delay(300);
  for (const { cut } of members()) cut.database(true);
  await kill();
  await delay(2 * windowMs);
  const refused = await members()[0]!.limiter.decide(question(), 'closed');
  expect(refused).toMatchObject({ admitted: false, mode: 'closed' });
  expect(refused.levels).toMatchObject([{ policy: 'user', limit: 0, resetUs: 250_000 }]);
  const late = load.asked.filter(({ endedMs }) => endedMs > performance.now() - windowMs);
  expect(new Set(late.map((one) => one.limit))).toEqual(new Set([2]));
  for (const { reports } of members()) expect(reports).toEqual(['cut off']);
  for (const { cut } of members()) cut.database(false);
  await redis.startAgain();
  await allBack(load.asked);
  expect(worst(await load.stop())).toBeLessThanOrEqual(1.1 * limit);
});

it('is asked by a bounded number at one time; the others are decided here at once', async () => {
  process.kill(redis.pid, 'SIGSTOP');
  const { limiter, seen } = members()[0]!;
  const decisions = Array.from({ length: 6_000 }, () => limiter.decide(question(), 'share'));
  await Promise.resolve();
  // The bound is 5,000, and the script that passes it is sent whole.
  expect(seen).toEqual({ store: 0, share: 976, closed: 0 });
  await Promise.all(decisions);
  expect(seen).toEqual({ store: 0, share: 6_000, closed: 0 });
  process.kill(redis.pid, 'SIGCONT');
});

it('has one process of a name: the older one admits nothing any more, the new one goes on', async () => {
  const [older] = members();
  const newer = await join('gateway.1');
  await eventually('told', () => older!.reports.length > 0);
  expect(older!.reports[0]).toContain('another process limits as gateway.1');
  expect(await older!.limiter.decide(question(), 'share')).toMatchObject({
    ...{ admitted: false, mode: 'share', levels: [{ limit: 0 }] },
  });
  expect(await newer.limiter.decide(question(), 'share')).toMatchObject({
    ...{ admitted: true, mode: 'store' },
  });
});
