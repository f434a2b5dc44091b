/**
 * Ends of sessions that were committed and not confirmed, because their process was slow or died. The next end confirms
 * them as well, and a process that was silent for longer than its grace does not rejoin an old generation. And what a
 * touch must not prolong.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { ReadThroughDesign } from '../design.ts';
import { findDesign } from '../lineage.ts';
import type { Database } from '../ports.ts';
import { createRedisLink } from '../redis-link.ts';
import { createSessionCache } from '../sessions/cache.ts';
import type { CreatedSession } from '../sessions/contract.ts';
import { createCopyCodec } from '../sessions/copy-codec.ts';
import { openConnection } from './clients.ts';
import { type Member, origin, startMember } from './fixtures/members.ts';
import { prepareSchema, schemaUrl, sessionKey, usersWithoutHistory } from './fixtures/platform.ts';
import { systemRandom } from './system.ts';

const design = findDesign('turn1.after');
const given = design.sessions.store as ReadThroughDesign;
const store: ReadThroughDesign = { ...given, generationTtlMs: 600, graceMs: 2_000 };
const size = usersWithoutHistory(50);
const schema = 'unconfirmed';

const { postgres, redis } = ownStores('unconfirmed');
let closing: (() => Promise<void>)[] = [];
let nextUser = 1;

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design, size });
});
afterEach(async () => {
  await Promise.allSettled(closing.map((close) => close()));
  closing = [];
});

const databaseUrl = () => schemaUrl(postgres.url, schema);
const someone = () => String(nextUser++);

async function join(name: string, more: Partial<Parameters<typeof startMember>[0]> = {}) {
  const member = await startMember({
    name,
    design,
    store,
    redisUrl: redis.url,
    keyPrefix: 'u:',
    databaseUrl: databaseUrl(),
    ...more,
  });
  closing.push(() => member.close());
  await eventually(() => !member.seen.open);
  return member;
}

async function connect() {
  const db = await openConnection(databaseUrl());
  closing.push(() => db.close());
  return db;
}

async function eventually(condition: () => boolean | Promise<boolean>, limitMs = 10_000) {
  const until = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`not within ${limitMs} ms`);
    await delay(10);
  }
}

const accepts = (member: Member, { token }: CreatedSession) => member.acceptAndTouch(token);

const isRevoked = async (db: Database, { session }: CreatedSession) => {
  const text = 'SELECT 1 FROM sessions WHERE id = $1 AND revoked_at IS NOT NULL';
  return (await db.query({ text, values: [session.id] })).length === 1;
};

const waitsForLock = async (db: Database, statement: string) => {
  const text = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`;
  return (await db.query({ text, values: [statement] })).length > 0;
};

type Sweeping = (member: Member, userId: string, own: CreatedSession) => Promise<unknown>;
const sweeps: readonly [string, Sweeping][] = [
  ['all', ({ store }, id) => store.revokeAll(id, { id, reason: 'all' }, origin)],
  ['others', ({ store }, _id, own) => store.revokeOthers(own.session, origin)],
  [
    'a password change',
    async ({ store, db }, id, own) => {
      const text = 'SELECT password_hash AS hash FROM users WHERE id = $1';
      const [row] = await db.query<{ hash: string }>({ text, values: [id] });
      expect(
        await store.changePassword(own.session, { from: row!.hash, to: 'other' }, origin),
      ).not.toBeNull();
    },
  ],
];

it.each(sweeps)(
  '%s confirms an end that another process has only committed',
  async (_name, sweep) => {
    let stuck = true;
    const wrapFence = (db: Database): Database => ({
      async query(statement) {
        while (stuck && statement.name === 'session-fence-in-use') await delay(5);
        return db.query(statement);
      },
    });
    const slow = await join('gateway.1', { wrapFence });
    const b = await join('gateway.2');
    const user = someone();
    const [left, own] = [await b.login(user), await b.login(user)];
    expect(await accepts(b, left)).toBe(true);
    const ending = slow.store.end(left.token, origin);
    await eventually(() => isRevoked(b.db, left));
    await sweep(b, user, own);
    expect(await accepts(b, left)).toBe(false);
    expect(await accepts(slow, left)).toBe(false);
    stuck = false;
    await ending;
  },
);

it.each(sweeps)('%s confirms an end whose commit it waited for', async (_name, sweep) => {
  const b = await join('gateway.2');
  const user = someone();
  const [left, own] = [await b.login(user), await b.login(user)];
  expect(await accepts(b, left)).toBe(true);
  // A process that dies between its commit and its tombstone.
  const dying = await connect();
  await dying.query({ text: 'BEGIN' });
  const text = 'UPDATE sessions SET revoked_at = now() WHERE id = $1';
  await dying.query({ text, values: [left.session.id] });
  const swept = sweep(b, user, own);
  await eventually(() => waitsForLock(b.db, '%UPDATE sessions SET revoked_at%'));
  await dying.query({ text: 'COMMIT' });
  await swept;
  expect(await accepts(b, left)).toBe(false);
});

it('a copy in use whose session is revoked is found by the touch and gets a tombstone', async () => {
  const touching = { ...store, touchEveryMs: 100 };
  const b = await join('gateway.2', { store: touching });
  const left = await b.login(someone());
  expect(await accepts(b, left)).toBe(true);
  const text = 'UPDATE sessions SET revoked_at = now() WHERE id = $1';
  await b.db.query({ text, values: [left.session.id] });
  expect(await accepts(b, left)).toBe(true);
  await eventually(async () => !(await accepts(b, left)));
});

it('a process that returns after its grace enters the generation that advanced without it', async () => {
  let silent = false;
  const wrapFence = (db: Database): Database => ({
    query: (statement) => (silent ? Promise.reject(new Error('cut off')) : db.query(statement)),
  });
  const a = await join('gateway.1');
  const cut = await join('gateway.2', { wrapFence });
  const watcher = await connect();
  const locker = await connect();
  const one = await a.login(someone());
  expect(await accepts(cut, one)).toBe(true);
  silent = true;
  await delay(store.graceMs + 200);
  // Its next heartbeat waits for a lock.
  await locker.query({ text: 'BEGIN' });
  const text = `SELECT 1 FROM session_members WHERE name = 'gateway.2' FOR UPDATE`;
  await locker.query({ text });
  silent = false;
  await eventually(() => waitsForLock(watcher, '%UPDATE session_members%'));
  a.redis.disconnect();
  await eventually(() => a.seen.open);
  const ended = a.store.end(one.token, origin);
  await Promise.race([ended, delay(150)]);
  await locker.query({ text: 'COMMIT' });
  await ended;
  const until = performance.now() + store.generationTtlMs;
  while (performance.now() < until) {
    expect(await accepts(cut, one)).toBe(false);
    await delay(5);
  }
  await eventually(() => cut.fence.currentGeneration() === a.fence.currentGeneration());
});

it('a hold is over when it was to be, and a tombstone too, however often the session is used', async () => {
  const { redis: connection } = await join('gateway.1');
  const link = createRedisLink({ redis: connection, breakerOpenMs: 50, onBreaker: () => {} });
  await eventually(() => link.runId() !== null);
  const cache = createSessionCache({
    link,
    keyPrefix: 'held:',
    random: systemRandom,
    codec: createCopyCodec({ key: sessionKey, nowMs: Date.now }),
    nowMs: Date.now,
    onForgedCopy() {},
  });
  await cache.markPending(1, ['one']);
  expect(await cache.read(1, 'one')).toBe('absent');
  await cache.extendTtls(1, [{ id: 'one', ttlMs: 1_800_000 }]);
  const left = await connection.pttl(`held:s:1:${link.runId()}:one`);
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(10_000);
  // What is buried stays so.
  await cache.writeTombstones({ from: 1, to: 1 }, ['one']);
  await cache.extendTtls(1, [{ id: 'one', ttlMs: 1_800_000 }]);
  expect(await connection.pttl(`held:s:1:${link.runId()}:one`)).toBeLessThanOrEqual(60_000);
  expect(await cache.read(1, 'one')).toBe('ended');
  link.close();
});
