/**
 * Four limiters on a real Redis and a real PostgreSQL, asked without pause while Redis is killed, comes back empty, is
 * paused, or is gone for one of them: no window holds more than 1.1 times the limit, nobody waits, all find back.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { eventually } from '../../sim/effects/testbed/fixtures/bed.ts';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { ExactLimitsDesign } from '../design.ts';
import { findDesign } from '../lineage.ts';
import type { Question } from '../rate-limit/contract.ts';
import { openConnection } from './clients.ts';
import { type Asked, hammer, type LimiterMember, startLimiter } from './fixtures/limiters.ts';
import { prepareSchema, schemaUrl } from './fixtures/platform.ts';

const given = findDesign('turn2.after');
const windowMs = 2_000;
const limit = 100;
const exact = given.rateLimit as ExactLimitsDesign;
const design: ExactLimitsDesign = {
  ...exact,
  windowMs,
  degraded: { ...exact.degraded, refreshMs: 200 },
};
const size = {
  ...{ rows: 0, users: 5, heavyUsers: 0, heavyRows: 0 },
  ...{ seed: 7, anchorUs: 1_760_000_000e6 },
};
const schema = 'degraded';

const { postgres, redis } = ownStores('degraded-limits');
let members: LimiterMember[] = [];
let db: Awaited<ReturnType<typeof openConnection>>;
let tests = 0;

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design: given, size });
  db = await openConnection(schemaUrl(postgres.url, schema));
});
beforeEach(async () => {
  tests += 1;
  await db.query({ text: 'TRUNCATE limiter_members' });
  const databaseUrl = schemaUrl(postgres.url, schema);
  const common = { databaseUrl, redisPort: redis.port, keyPrefix: 'd:', design };
  members = await Promise.all(
    [1, 2, 3, 4].map((n) => startLimiter({ ...common, name: `gateway.${n}` })),
  );
  await eventually('even parts', async () => {
    const rows = await db.query<{ part: number }>({ text: 'SELECT part FROM limiter_members' });
    return rows.length === 4 && rows.every(({ part }) => part === 0.25);
  });
});
afterEach(async () => {
  await Promise.allSettled(members.map((member) => member.close()));
});
afterAll(() => db?.close());

const question = (): Question => ({
  tag: 'o:1',
  levels: [
    {
      ...{ kind: 'window', policy: 'user', subject: `${tests}`, limit, shadow: false },
      ...{ windowMs, weight: 1 },
    },
  ],
});

const kill = async () => {
  process.kill(redis.pid, 'SIGKILL');
  await redis.stop();
};

/** The fullest window. The process's clock is read in whole milliseconds, so two of them are left out of it. */
function worst(asked: readonly Asked[]): number {
  const times = asked.filter(({ admitted }) => admitted).map(({ atUs }) => atUs);
  times.sort((a, b) => a - b);
  let from = 0;
  let most = 0;
  for (const [to, atUs] of times.entries()) {
    while (atUs - times[from]! >= (windowMs - 2) * 1_000) from += 1;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

const modesSince = (asked: readonly Asked[], sinceMs: number) =>
  new Set(asked.filter(({ endedMs }) => endedMs > sinceMs).map(({ mode }) => mode));

const allBack = (asked: readonly Asked[]) =>
  eventually('every decision by Redis again', async () => {
    const sinceMs = performance.now();
    await delay(100);
    const modes = modesSince(asked, sinceMs);
    return modes.size === 1 && modes.has('store');
  });

it('is killed and comes back empty: a tenth more at most, and Redis is left alone for a window', async () => {
  const load = hammer(members, question);
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

it('stays away: the share becomes the whole; and shrinks before Redis is used again', async () => {
  const load = hammer(members, question);
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

it('stands still: decided locally meanwhile, used again at once', async () => {
  const load = hammer(members, question);
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
  const load = hammer(members, question);
  await delay(300);
  members[0]!.cut.redis(true);
  const cutMs = performance.now();
  await delay(2 * windowMs);
  const during = load.asked.filter(({ endedMs }) => endedMs > cutMs + 300);
  members[0]!.cut.redis(false);
  await allBack(load.asked);
  const asked = await load.stop();
  for (const { member, mode } of during) expect(mode).toBe(member === 0 ? 'share' : 'store');
  expect(during.some(({ mode, admitted }) => mode === 'share' && admitted)).toBe(true);
  expect(worst(asked)).toBeLessThanOrEqual(1.1 * limit);
});

it('is gone with PostgreSQL: the share stays, the failure is told once, credentials are refused', async () => {
  const load = hammer(members, question);
  await delay(300);
  for (const { cut } of members) cut.database(true);
  await kill();
  await delay(2 * windowMs);
  const refused = await members[0]!.limiter.decide(question(), 'closed');
  expect(refused).toMatchObject({ admitted: false, mode: 'closed' });
  expect(refused.levels).toMatchObject([{ policy: 'user', limit: 0, resetUs: 250_000 }]);
  const late = load.asked.filter(({ endedMs }) => endedMs > performance.now() - windowMs);
  expect(new Set(late.map((one) => one.limit))).toEqual(new Set([2]));
  for (const { reports } of members) expect(reports).toEqual(['cut off']);
  for (const { cut } of members) cut.database(false);
  await redis.startAgain();
  await allBack(load.asked);
  expect(worst(await load.stop())).toBeLessThanOrEqual(1.1 * limit);
});

it('is not slow because this process stood still', async () => {
  const decisions = Array.from({ length: 20 }, () =>
    members[0]!.limiter.decide(question(), 'share'),
  );
  await Promise.resolve();
  // Every timer is late when this ends, and every answer has arrived.
  const untilMs = performance.now() + 500;
  while (performance.now() < untilMs);
  for (const { mode } of await Promise.all(decisions)) expect(mode).toBe('store');
});

it('is asked by a bounded number at one time; the others are decided here at once', async () => {
  process.kill(redis.pid, 'SIGSTOP');
  const { limiter, seen } = members[0]!;
  const decisions = Array.from({ length: 6_000 }, () => limiter.decide(question(), 'share'));
  await Promise.resolve();
  // The bound is 5,000, and the script that passes it is sent whole.
  expect(seen).toEqual({ store: 0, share: 976, closed: 0 });
  await Promise.all(decisions);
  expect(seen).toEqual({ store: 0, share: 6_000, closed: 0 });
  process.kill(redis.pid, 'SIGCONT');
});

it('has one process of a name: the older one admits nothing any more, the new one goes on', async () => {
  const databaseUrl = schemaUrl(postgres.url, schema);
  const common = { databaseUrl, redisPort: redis.port, keyPrefix: 'd:', design };
  const [older] = members;
  const newer = await startLimiter({ ...common, name: 'gateway.1' });
  members.push(newer);
  await eventually('told', () => older!.reports.length > 0);
  expect(older!.reports[0]).toContain('another process limits as gateway.1');
  expect(await older!.limiter.decide(question(), 'share')).toMatchObject({
    ...{ admitted: false, mode: 'share', levels: [{ limit: 0 }] },
  });
  expect(await newer.limiter.decide(question(), 'share')).toMatchObject({
    ...{ admitted: true, mode: 'store' },
  });
});
