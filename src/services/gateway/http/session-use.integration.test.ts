/**
 * Which requests restart the idle timeout of a session: one that is refused writes nothing, in Redis or in PostgreSQL,
 * and does not restart it. Nor does one that has the session's id without the secret.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { ownStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import type { ReadThroughDesign } from '../../design.ts';
import { findDesign } from '../../lineage.ts';
import type { Database } from '../../ports.ts';
import type { CreatedSession } from '../../sessions/contract.ts';
import { createTouchBatcher } from '../../sessions/touch-batcher.ts';
import { bearer, client } from '../fixtures/client.ts';
import { type Member, origin, startMember } from '../fixtures/members.ts';
import {
  prepareSchema,
  schemaUrl,
  startPlatform,
  usersWithoutHistory,
} from '../fixtures/platform.ts';
import { systemRandom } from '../system.ts';

const limited = findDesign('turn4.after');
const store: ReadThroughDesign = {
  ...(limited.sessions.store as ReadThroughDesign),
  touchEveryMs: 200,
};
const idling = (idleTimeoutMs: number) => ({
  ...limited,
  sessions: { ...limited.sessions, store, idleTimeoutMs },
});
const idleTimeoutMs = 2_500;
const size = usersWithoutHistory(50);
const schema = 'session_use';

const { postgres, redis } = ownStores('session-use');
let closing: (() => Promise<void>)[] = [];
let nextUser = 1;

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design: limited, size });
});
afterEach(async () => {
  await Promise.allSettled(closing.map((close) => close()));
  closing = [];
});

const someone = () => String(nextUser++);

async function join(idleMs: number, name = 'gateway.1') {
  const member = await startMember({
    name,
    design: idling(idleMs),
    store,
    redisUrl: redis.url,
    keyPrefix: 'used:',
    databaseUrl: schemaUrl(postgres.url, schema),
  });
  closing.push(() => member.close());
  await eventually(() => !member.seen.open);
  return member;
}

async function eventually(condition: () => boolean | Promise<boolean>, limitMs = 10_000) {
  const until = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`not within ${limitMs} ms`);
    await delay(10);
  }
}

const accepts = async ({ store: sessions }: Member, token: string) =>
  (await sessions.check(token)) !== null;

/** The row, down to the version PostgreSQL has of it. */
const rowOf = async ({ db }: { db: Database }, sessionId: string) =>
  db.query({ text: 'SELECT xmin, s.* FROM sessions s WHERE id = $1', values: [sessionId] });

const keyOf = async (member: Member, { session }: CreatedSession) =>
  (await member.redis.keys(`used:s:*:${session.id}`))[0]!;

/** How often each command was called, inside scripts too. */
const commands = async ({ redis: connection }: Member) => {
  const text = await connection.info('commandstats');
  const found = text.matchAll(/cmdstat_([\w|]+):calls=(\d+)/g);
  return new Map([...found].map(([, name, calls]) => [name!, Number(calls)]));
};

async function called(member: Member, work: () => Promise<unknown>): Promise<string[]> {
  const before = await commands(member);
  await work();
  const after = await commands(member);
  return [...after.keys()].filter((name) => after.get(name) !== before.get(name));
}

const isWrite = (command: string) => /^(set|getex|p?expire|eval|del)/.test(command);

/** The same session's token with another secret, well-formed. */
function forged({ token }: CreatedSession): string {
  const [start, id] = token.split('.');
  const body = `${start}.${id}.${systemRandom.bytes(32).toString('base64url')}`;
  return `${body}.${crc32(body).toString(16).padStart(8, '0')}`;
}

it('a check without a touch writes nothing and extends nothing', async () => {
  const a = await join(60_000);
  const one = await a.login(someone());
  // Redis has a copy now, and the touch is written.
  const [seen] = await rowOf(a, one.session.id);
  expect(await a.acceptAndTouch(one.token)).toBe(true);
  await eventually(async () => {
    const [row] = await rowOf(a, one.session.id);
    return JSON.stringify(row) !== JSON.stringify(seen);
  });
  // The copy is extended after the row: until then Redis is not at rest.
  await eventually(async () => !(await called(a, () => delay(100))).some(isWrite));
  const key = await keyOf(a, one);
  const [row, expiresMs] = [await rowOf(a, one.session.id), await a.redis.pexpiretime(key)];
  const checks = async () => {
    const until = performance.now() + 1_500;
    while (performance.now() < until) {
      expect(await accepts(a, one.token)).toBe(true);
      expect(await accepts(a, forged(one))).toBe(false);
      await delay(20);
    }
  };
  expect(await called(a, checks)).toEqual(expect.arrayContaining(['mget']));
  expect((await called(a, checks)).filter(isWrite)).toEqual([]);
  expect(await a.redis.pexpiretime(key)).toBe(expiresMs);
  expect(await rowOf(a, one.session.id)).toEqual(row);
  // A touch does.
  await a.acceptAndTouch(one.token);
  await eventually(async () => (await a.redis.pexpiretime(key)) > expiresMs);
  await eventually(
    async () => JSON.stringify(await rowOf(a, one.session.id)) !== JSON.stringify(row),
  );
});

it('a session in the local cache is not accepted without its proof', async () => {
  const [a, b] = [await join(60_000), await join(60_000, 'gateway.2')];
  const [one, another] = [await a.login(someone()), await a.login(someone())];
  expect(await a.acceptAndTouch(one.token)).toBe(true);
  expect(await a.acceptAndTouch(one.token)).toBe(true);
  const { proof, session } = a.store.findCached(one.token)!;
  expect(session).toEqual(one.session);
  expect(await a.redis.get(proof.key)).toBe(proof.text);
  // Only with the right secret.
  expect(a.store.findCached(forged(one))).toBe(null);
  expect(a.store.findCached(another.token)).toBe(null);
  await b.store.end(one.token, origin);
  // This process got no notice, but the proof of its cached session no longer holds.
  expect(a.store.findCached(one.token)?.proof).toEqual(proof);
  expect(await a.redis.get(proof.key)).not.toBe(proof.text);
  expect(await a.acceptAndTouch(one.token)).toBe(false);
  // The check removed it from the local cache.
  expect(a.store.findCached(one.token)).toBe(null);
});

it('a copy in Redis expires when its row says, whichever process wrote it', async () => {
  const a = await join(60_000);
  const one = await a.login(someone());
  const text = `UPDATE sessions SET last_seen_at = now() - interval '58 seconds' WHERE id = $1`;
  await a.db.query({ text, values: [one.session.id] });
  expect(await accepts(a, forged(one))).toBe(false);
  expect(await accepts(a, one.token)).toBe(true);
  const leftMs = await a.redis.pttl(await keyOf(a, one));
  expect(leftMs).toBeGreaterThan(0);
  expect(leftMs).toBeLessThanOrEqual(2_000);
});

it('writes down when a session was used, not when the batch is written', async () => {
  const a = await join(60_000);
  const { session } = await a.login(someone());
  let nowUs = (session.createdAtMs + 3_000) * 1_000;
  const startBatcher = () => {
    const touches = createTouchBatcher({
      db: a.db,
      clock: { nowUs: () => nowUs },
      everyMs: 60_000,
      onError: (error) => expect.unreachable(error.message),
    });
    closing.push(async () => touches.close());
    return touches;
  };
  const [early, late] = [startBatcher(), startBatcher()];
  const usedAt = async () => {
    const text =
      'SELECT (extract(epoch FROM last_seen_at) * 1000000)::bigint AS us FROM sessions WHERE id = $1';
    const [row] = await a.db.query<{ us: string }>({ text, values: [session.id] });
    return Number(row!.us);
  };
  early.touch(session);
  nowUs += 400_000;
  const usedUs = nowUs;
  late.touch(session);
  nowUs += 900_000;
  await late.flush();
  expect(await usedAt()).toBe(usedUs);
  // The earlier use of another process, written later, does not move it back.
  await early.flush();
  expect(await usedAt()).toBe(usedUs);
});

it('touched now and then, a session stays live; checked all the time and never touched, it idles out', async () => {
  const [a, b] = [await join(idleTimeoutMs), await join(idleTimeoutMs, 'gateway.2')];
  const [used, refused] = [await a.login(someone()), await a.login(someone())];
  const startedMs = performance.now();
  let refusedAfterMs = Number.POSITIVE_INFINITY;
  for (let nextMs = 0; performance.now() - startedMs < 3 * idleTimeoutMs; ) {
    const sinceMs = performance.now() - startedMs;
    const member = sinceMs % 100 < 50 ? a : b;
    if (sinceMs >= nextMs) {
      expect(await member.acceptAndTouch(used.token)).toBe(true);
      nextMs = sinceMs + idleTimeoutMs / 2;
    }
    const [isLive] = await Promise.all([accepts(a, refused.token), accepts(b, forged(refused))]);
    if (!isLive) refusedAfterMs = Math.min(refusedAfterMs, performance.now() - startedMs);
    await delay(30);
  }
  expect(refusedAfterMs).toBeGreaterThan(idleTimeoutMs - 1_000);
  expect(refusedAfterMs).toBeLessThan(idleTimeoutMs + 1_500);
  expect(await accepts(a, used.token)).toBe(true);
  expect(await accepts(b, refused.token)).toBe(false);
});

it('the session of a bot whose requests are all refused by limits idles out', async () => {
  const platform = await startPlatform({
    databaseUrl: postgres.url,
    schema,
    redisUrl: redis.url,
    design: idling(idleTimeoutMs),
  });
  closing.push(() => platform.stop());
  const { token, session } = await platform.login(someone());
  const send = client(platform.url, bearer(token));
  const ask = async () => (await send('GET', '/session')).status;
  let status = await ask();
  expect(status).toBe(200);
  for (let sent = 1; status === 200 && sent < 1_000; sent += 1) status = await ask();
  expect(status).toBe(429);
  // Touches are written by now.
  await delay(2 * store.touchEveryMs);
  const row = await rowOf(platform, session.id);
  const answers = new Set<number>();
  const until = performance.now() + idleTimeoutMs + 2_000;
  while (performance.now() < until && status !== 401) {
    status = await ask();
    answers.add(status);
    if (status !== 401) expect(await rowOf(platform, session.id)).toEqual(row);
    await delay(50);
  }
  expect([...answers]).toEqual([429, 401]);
}, 20_000);
