/**
 * The read-through store in four processes, on a PostgreSQL and a Redis of this file's own, which it freezes, empties,
 * stops and starts. Every case ends by checking the session in every process.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { ReadThroughDesign } from '../design.ts';
import { findDesign } from '../lineage.ts';
import type { Database } from '../ports.ts';
import type { CreatedSession } from '../sessions/contract.ts';
import { type Member, origin, startMember } from './fixtures/members.ts';
import { prepareSchema, schemaUrl, usersWithoutHistory } from './fixtures/platform.ts';

const design = findDesign('turn1.after');
const store: ReadThroughDesign = {
  ...(design.sessions.store as ReadThroughDesign),
  generationTtlMs: 150,
  graceMs: 4_000,
  breakerOpenMs: 50,
  touchEveryMs: 200,
};
const size = usersWithoutHistory(400);

const { postgres, redis } = ownStores('read-through', { max_connections: '100' });
let members: Member[] = [];
let nextUser = 1;

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema: 'sessions', design, size });
});
afterEach(async () => {
  await Promise.allSettled(members.map((member) => member.close()));
  members = [];
});

async function join(name: string, more: Partial<Parameters<typeof startMember>[0]> = {}) {
  const member = await startMember({
    name,
    design,
    store,
    redisUrl: redis.url,
    keyPrefix: 'rt:',
    databaseUrl: schemaUrl(postgres.url, 'sessions'),
    ...more,
  });
  members.push(member);
  await eventually(() => !member.seen.open);
  return member;
}
const four = () => Promise.all([1, 2, 3, 4].map((n) => join(`gateway.${n}`)));

async function eventually(condition: () => boolean | Promise<boolean>, limitMs = 10_000) {
  const until = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`not within ${limitMs} ms`);
    await delay(10);
  }
}

const someone = () => String(nextUser++);
/** The result of a check in every process: 1 accepted, 0 refused, a status for any error. */
const verdicts = ({ token }: CreatedSession, of: readonly Member[] = members) =>
  Promise.all(
    of.map((member) =>
      member.acceptAndTouch(token).then(
        (accepted) => (accepted ? 1 : 0),
        (error) => error.status ?? error,
      ),
    ),
  );
const warm = async (...all: CreatedSession[]) => {
  for (const one of all) expect(await verdicts(one)).toEqual(members.map(() => 1));
};
const statusOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 200,
    (error) => error.code ?? error,
  );
const freeze = () => process.kill(redis.pid, 'SIGSTOP');
const thaw = () => process.kill(redis.pid, 'SIGCONT');
const recovered = () => eventually(() => members.every(({ seen }) => !seen.open));

describe('four processes', () => {
  it('answer from one command each once warm, and refuse right after a logout anywhere', async () => {
    const [a, b] = await four();
    const one = await a!.login(someone());
    await warm(one);
    const before = members.map(({ seen }) => ({ ...seen }));
    await warm(one);
    for (const [i, { seen }] of members.entries()) {
      expect(seen.hits - before[i]!.hits).toBe(1);
      expect(seen.misses + seen.fallbacks).toBe(before[i]!.misses + before[i]!.fallbacks);
    }
    expect(await b!.store.end(one.token, origin)).toMatchObject({ id: one.session.id });
    expect(await verdicts(one)).toEqual([0, 0, 0, 0]);
    // A repeated logout has the same result; for a token that was never issued it is null.
    expect(await a!.store.end(one.token, origin)).toMatchObject({ id: one.session.id });
    const other = await a!.login(someone());
    const forged = `${other.token.slice(0, -12)}AAA.${other.token.slice(-8)}`;
    expect(await a!.store.end(forged, origin)).toBeNull();
  });

  it('keep out what a populate that was overtaken read before the logout', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let slow = false;
    const wrapReads = (db: Database): Database => ({
      async query(statement) {
        const rows = await db.query<never>(statement);
        if (slow) await gate;
        return rows;
      },
    });
    const a = await join('gateway.1');
    const b = await join('gateway.2', { wrapReads });
    const one = await a.login(someone());
    slow = true;
    const overtaken = b.store.check(one.token);
    await eventually(() => b.seen.misses === 1);
    await delay(50);
    await a.store.end(one.token, origin);
    release();
    // It began before the logout returned, so either result is right; but it must not populate Redis.
    await overtaken;
    slow = false;
    expect(await verdicts(one)).toEqual([0, 0]);
  });

  it('never share a read that began before the logout, with Redis down', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let slow = true;
    const wrapReads = (db: Database): Database => ({
      async query(statement) {
        const rows = await db.query<never>(statement);
        if (slow) await gate;
        return rows;
      },
    });
    const a = await join('gateway.1', { wrapReads });
    const one = await a.login(someone());
    a.redis.disconnect();
    await eventually(() => a.seen.open);
    const early = a.store.check(one.token);
    await delay(50);
    await a.store.end(one.token, origin);
    slow = false;
    const late = a.store.check(one.token);
    expect(await late).toBeNull();
    release();
    expect(await early).not.toBeNull();
  });
});

describe('Redis', () => {
  it('frozen: sessions go on, logouts are durable; thawed with its old data: none comes back', async () => {
    const [a, b] = await four();
    const user = someone();
    const [left, stays] = [await a!.login(user), await a!.login(user)];
    await warm(left, stays);
    freeze();
    try {
      expect(await verdicts(stays)).toEqual([1, 1, 1, 1]);
      const many = await Promise.all(Array.from({ length: 20 }, () => b!.login(someone())));
      await Promise.all([
        a!.store.end(left.token, origin),
        ...many.map(({ token }, i) => members[i % 4]!.store.end(token, origin)),
      ]);
      expect(await verdicts(left)).toEqual([0, 0, 0, 0]);
      for (const one of many) expect(await verdicts(one)).toEqual([0, 0, 0, 0]);
    } finally {
      thaw();
    }
    await recovered();
    expect(await verdicts(left)).toEqual([0, 0, 0, 0]);
    await warm(stays);
    const hits = a!.seen.hits;
    await warm(stays);
    expect(a!.seen.hits).toBe(hits + 1);
  });

  it('lost by one process only: its logout holds for those who still use Redis', async () => {
    const [a, b] = await four();
    const one = await a!.login(someone());
    await warm(one);
    b!.redis.disconnect();
    await eventually(() => b!.seen.open);
    await b!.store.end(one.token, origin);
    expect(await verdicts(one)).toEqual([0, 0, 0, 0]);
  });

  it('gets tombstones in every generation in use while the processes move to a new one', async () => {
    const [a, b, c, d] = await four();
    b!.redis.disconnect();
    await eventually(() => b!.seen.open);
    for (let round = 0; round < 25; round += 1) {
      const [mine, theirs] = [await c!.login(someone()), await c!.login(someone())];
      await warm(mine, theirs);
      // One advances the fence while another only writes tombstones.
      const fenced = b!.store.end(theirs.token, origin);
      await a!.store.end(mine.token, origin);
      expect(await verdicts(mine)).toEqual([0, 0, 0, 0]);
      await fenced;
      expect(await verdicts(theirs)).toEqual([0, 0, 0, 0]);
      expect(await verdicts(mine, [c!, d!])).toEqual([0, 0]);
    }
  });

  it('restarted empty: live sessions stay live, ended ones stay ended', async () => {
    const [a] = await four();
    const [left, stays] = [await a!.login(someone()), await a!.login(someone())];
    await warm(left, stays);
    await a!.store.end(left.token, origin);
    await redis.startAgain();
    expect(await verdicts(stays)).toEqual([1, 1, 1, 1]);
    expect(await verdicts(left)).toEqual([0, 0, 0, 0]);
    await recovered();
    await warm(stays);
    expect(await verdicts(left)).toEqual([0, 0, 0, 0]);
  });

  it('may be down when a process starts', async () => {
    freeze();
    try {
      const member = await startMember({
        name: 'late',
        design,
        store,
        redisUrl: redis.url,
        keyPrefix: 'rt:',
        databaseUrl: schemaUrl(postgres.url, 'sessions'),
      });
      members.push(member);
      const one = await member.login(someone());
      expect(await verdicts(one)).toEqual([1]);
      await member.store.end(one.token, origin);
      expect(await verdicts(one)).toEqual([0]);
    } finally {
      thaw();
    }
    await recovered();
  });
});

describe('the fence', () => {
  it('confirms nothing while a process is silent in its grace, and does afterwards', async () => {
    let silent = false;
    const wrapFence = (db: Database): Database => ({
      query: (statement) => (silent ? Promise.reject(new Error('cut off')) : db.query(statement)),
    });
    const a = await join('gateway.1');
    const cut = await join('gateway.2', { wrapFence });
    const c = await join('gateway.3');
    const [one, last] = [await a.login(someone()), await a.login(someone())];
    await warm(one, last);
    silent = true;
    await delay(2 * store.generationTtlMs);
    // By the rule for a silent PostgreSQL it goes on with what Redis holds.
    const hits = cut.seen.hits;
    expect(await verdicts(one, [cut])).toEqual([1]);
    expect(cut.seen.hits).toBe(hits + 1);
    // With Redis the tombstone reaches it all the same.
    const buried = await a.login(someone());
    await warm(buried);
    await a.store.end(buried.token, origin);
    expect(await verdicts(buried)).toEqual([0, 0, 0]);

    a.redis.disconnect();
    await eventually(() => a.seen.open);
    expect(await statusOf(a.store.end(one.token, origin))).toBe('logout-unconfirmed');
    expect(await verdicts(one, [a, c])).toEqual([0, 0]);
    // The silent one is still in the old generation; the others have left it.
    expect(c.fence.currentGeneration()).toBeGreaterThan(cut.fence.graceGeneration()!);
    expect(await statusOf(c.store.end(last.token, origin))).toBe(200);
    expect(await verdicts(last)).toEqual([0, 0, 0]);
    await delay(store.graceMs);
    expect(await statusOf(a.store.end(one.token, origin))).toBe(200);
    expect(await verdicts(one)).toEqual([0, 0, 0]);
  });

  it('is joined by a second process of a name, and the first one stops using Redis', async () => {
    const a = await join('gateway.1');
    const one = await a.login(someone());
    await warm(one);
    await join('gateway.1');
    await eventually(() => a.fence.currentGeneration() === null);
    expect(await verdicts(one)).toEqual([1, 1]);
  });
});

describe('PostgreSQL', () => {
  it('down: what Redis holds is accepted for the grace, nothing is filled, no logout is confirmed', async () => {
    const [a, b] = await four();
    const [held, cold] = [await a!.login(someone()), await a!.login(someone())];
    await warm(held);
    await postgres.stop();
    try {
      expect(await verdicts(held)).toEqual([1, 1, 1, 1]);
      expect(await verdicts(cold, [b!])).toEqual([503]);
      expect(await statusOf(b!.store.end(held.token, origin))).toMatch(/^database-/);
      await delay(store.generationTtlMs);
      expect(await verdicts(held)).toEqual([1, 1, 1, 1]);
      await delay(store.graceMs);
      expect(await verdicts(held)).toEqual([503, 503, 503, 503]);
    } finally {
      await postgres.startAgain();
    }
    await eventually(async () => (await verdicts(held)).every((verdict) => verdict === 1));
    await warm(cold);
    expect(await statusOf(b!.store.end(held.token, origin))).toBe(200);
    expect(await verdicts(held)).toEqual([0, 0, 0, 0]);
  });
});

describe('ending more than one', () => {
  it('misses no login that runs at the same time', async () => {
    const [a] = await four();
    for (let round = 0; round < 30; round += 1) {
      const user = someone();
      const own = await a!.login(user);
      const logins = Array.from({ length: 8 }, async (_, i) => {
        await delay(round % 7);
        return members[i % 4]!.login(user);
      });
      await delay((round * 3) % 11);
      await members[round % 4]!.store.revokeAll(user, { id: user, reason: 'all' }, origin);
      const all = [own, ...(await Promise.all(logins))];
      const missed = await a!.db.query({
        text: `SELECT 1 FROM sessions s JOIN session_events c ON c.session_id = s.id AND c.event = 'created'
                WHERE s.user_id = $1 AND revoked_at IS NULL
                  AND c.id < (SELECT max(id) FROM session_events WHERE user_id = $1 AND event = 'revoked')`,
        values: [user],
      });
      expect(missed).toEqual([]);
      expect(await verdicts(own)).toEqual([0, 0, 0, 0]);
      const live = new Set((await a!.store.list(user)).map(({ id }) => id));
      for (const one of all) {
        const expected = live.has(one.session.id) ? 1 : 0;
        expect(await verdicts(one)).toEqual([expected, expected, expected, expected]);
      }
    }
  });

  it('refuses a login if the password changed while it ran', async () => {
    const [a, b] = await four();
    const user = someone();
    const own = await a!.login(user);
    const [row] = await a!.db.query<{ hash: string }>({
      text: 'SELECT password_hash AS hash FROM users WHERE id = $1',
      values: [user],
    });
    const from = row!.hash;
    const changed = await a!.store.changePassword(own.session, { from, to: 'another' }, origin);
    const late = { userId: user, passwordHash: from, presentedToken: '' };
    expect(await b!.store.create(late, origin)).toBeNull();
    expect(await verdicts(own)).toEqual([0, 0, 0, 0]);
    await warm(changed!);
  });

  it('writes when a session was seen, in live rows only', async () => {
    const a = await join('gateway.1');
    const [left, stays] = [await a.login(someone()), await a.login(someone())];
    await warm(left, stays);
    await a.store.end(left.token, origin);
    const seen = async () =>
      (
        await a.db.query<{ id: string; moved: boolean; revoked: boolean }>({
          text: `SELECT id, last_seen_at > created_at AS moved, revoked_at IS NOT NULL AS revoked
                   FROM sessions WHERE id = ANY($1)`,
          values: [[left.session.id, stays.session.id]],
        })
      ).find(({ id }) => id === stays.session.id)!;
    await eventually(async () => (await seen()).moved);
    expect(await seen()).toMatchObject({ revoked: false });
    expect(await verdicts(left)).toEqual([0]);
  });
});
