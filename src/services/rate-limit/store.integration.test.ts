/** What only Redis can show: the script is the pure policy, atomic, one round trip, and small. */
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownRedis } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { Decision, KeptForQuestion, Level, Question } from './contract.ts';
import { decide, type LevelMemory, levelKey, refund, release } from './policy.ts';
import { createLimitStore, type LimitStore } from './store.ts';

const server = ownRedis('limit-store');
let redis: Redis;
const others: Redis[] = [];
let store: LimitStore;

beforeAll(async () => {
  redis = new Redis(server.url);
  store = createLimitStore({ redis, keyPrefix: 't:' });
});
afterAll(async () => {
  for (const client of [redis, ...others]) client?.disconnect();
});

const another = () => {
  const client = new Redis(server.url);
  others.push(client);
  return client;
};

const window = (limit: number, windowMs: number, given: Partial<Level> = {}): Level =>
  ({
    ...{ kind: 'window', policy: 'user', subject: '1', weight: 1, shadow: false },
    ...{ limit, windowMs, ...given },
  }) as Level;
const lease = (limit: number, leaseMs: number, leaseId: string): Level => ({
  ...{ kind: 'lease', policy: 'search', subject: '1', shadow: false },
  ...{ limit, leaseMs, leaseId },
});
const keyOf = (question: Question, level: Level) => `t:rl:${levelKey(question.tag, level)}`;
const packed = (...timesUs: number[]) =>
  Buffer.concat(
    timesUs.map((at) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(BigInt(at));
      return bytes.subarray(1);
    }),
  );
const redisNowUs = async () => {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1_000_000 + Number(micros);
};

/** What the pure policy says of the same question at the same time; and what is remembered after it. */
function expectPure(
  memory: Map<string, LevelMemory | null>,
  question: Question,
  decision: Decision,
  what: string,
) {
  const keys = question.levels.map((level) => levelKey(question.tag, level));
  const before = keys.map((key) => memory.get(key) ?? null);
  const pure = decide(before, question, decision.atUs);
  expect(decision, what).toEqual(pure.decision);
  keys.forEach((key, k) => {
    memory.set(key, pure.state[k]!);
  });
}

describe('the script', () => {
  const weight = fc.constantFrom(1, 1, 1, 2, 4, 9);
  const shadow = fc.constantFrom(false, false, true);
  const levels = fc.subarray(
    ['user', 'organisation', 'search', 'key'].map((policy) => ({ policy })),
    { minLength: 1 },
  );
  const step = fc.record({
    ...{ levels, weight, shadow, pauseMs: fc.constantFrom(0, 0, 0, 1, 3, 9, 30) },
    ...{ limit: fc.constantFrom(0, 3, 6, 8), agent: fc.nat({ max: 3 }) },
    after: fc.constantFrom('nothing', 'nothing', 'refund', 'release'),
  });

  it('decides as the policy does, in every field, over random traces of all kinds', async () => {
    const memory = new Map<string, LevelMemory | null>();
    const seen = { admitted: 0, refused: 0 };
    const running: Question[] = [];
    for (const [i, given] of fc.sample(step, { numRuns: 700, seed: 4 }).entries()) {
      const asked = given.levels.map(({ policy }): Level => {
        if (policy === 'search') return lease(2, 20, String(i));
        const { weight, shadow } = given;
        if (policy === 'user') return window(given.limit, 40, { weight });
        if (policy === 'organisation') return window(9, 25, { policy, weight, shadow });
        // Longer than any quiet time here: what a key remembers ends with it, and the policy forgets nothing.
        const share = { kind: 'share', agent: given.agent, agents: 3, windowMs: 500 } as const;
        return { ...share, policy, subject: '7', limit: 60, weight, shadow: false };
      });
      const question = { tag: 'o:1', levels: asked };
      const keys = asked.map((level) => levelKey(question.tag, level));
      const before = keys.map((key) => memory.get(key) ?? null);
      const windows = asked.filter(({ kind }) => kind !== 'share');
      const dump = () =>
        Promise.all(windows.map((level) => redis.dumpBuffer(keyOf(question, level))));
      const dumped = await dump();

      const decision = await store.ask(question);
      const pure = decide(before, question, decision.atUs);
      expect(decision, `step ${i}`).toEqual(pure.decision);

      let { state } = pure;
      if (decision.admitted) {
        seen.admitted += 1;
        running.push(question);
      } else {
        seen.refused += 1;
        const left = await dump();
        // Gone is what ended meanwhile.
        left.forEach((value, j) => {
          if (value) expect(value).toEqual(dumped[j]);
        });
      }
      if (given.after === 'refund') {
        await store.refund(question, decision);
        state = refund(state, question, decision);
      }
      keys.forEach((key, j) => {
        memory.set(key, state[j]!);
      });
      if (given.after === 'release' && running[0]) {
        const ended = running.shift()!;
        await store.release(ended);
        const names = ended.levels.map((level) => levelKey(ended.tag, level));
        const left = release(
          names.map((name) => memory.get(name) ?? null),
          ended,
        );
        names.forEach((name, j) => {
          memory.set(name, left[j]!);
        });
      }
      if (given.pauseMs > 0) await delay(given.pauseMs);
    }
    expect(Math.min(seen.admitted, seen.refused)).toBeGreaterThan(100);
  });

  it('decides those asked together as if each had been asked alone, one after the other', async () => {
    const memory = new Map<string, LevelMemory | null>();
    const kept = new Map<string, KeptForQuestion>();
    const seen = { admitted: 0, refused: 0 };
    const one = fc.record({
      user: fc.nat({ max: 2 }),
      limit: fc.constantFrom(3, 6),
      lease: fc.nat({ max: 5 }),
    });
    const batches = fc.sample(fc.array(one, { minLength: 1, maxLength: 12 }), {
      numRuns: 80,
      seed: 5,
    });
    for (const [i, batch] of batches.entries()) {
      const questions = batch.map((given, j): Question => {
        const asked: Level[] = [
          window(given.limit, 40, { subject: `${given.user}` }),
          window(9, 25, { policy: 'organisation' }),
        ];
        if (given.lease === 0)
          return { tag: 'o:709', levels: [...asked, lease(2, 20, `${i}.${j}`)] };
        const name = `${given.user} ${given.limit}`;
        kept.set(name, kept.get(name) ?? {});
        return { tag: `o:70${given.user}`, levels: asked, kept: kept.get(name)! };
      });
      const decisions = await store.askAll(questions);
      for (const [j, question] of questions.entries()) {
        expectPure(memory, question, decisions[j]!, `batch ${i}, question ${j}`);
        seen[decisions[j]!.admitted ? 'admitted' : 'refused'] += 1;
      }
      await delay(i % 4);
    }
    expect(Math.min(seen.admitted, seen.refused)).toBeGreaterThan(50);
  });

  it('decides many together only while their conditions hold, and counts nothing for the others', async () => {
    const memory = new Map<string, LevelMemory | null>();
    const kept = new Map<string, KeptForQuestion>();
    const one = fc.record({
      user: fc.nat({ max: 2 }),
      limit: fc.constantFrom(3, 6),
      text: fc.nat({ max: 2 }),
    });
    const batches = fc.sample(fc.array(one, { minLength: 1, maxLength: 12 }), {
      numRuns: 80,
      seed: 6,
    });
    await redis.mset('t:held:0', 'live', 't:held:1', 'ended');
    const seen = { admitted: 0, refused: 0, unmet: 0 };
    for (const [i, batch] of batches.entries()) {
      const asked = batch.map(({ user, limit, text }) => {
        const name = `${user} ${limit}`;
        kept.set(name, kept.get(name) ?? {});
        return {
          question: {
            tag: `o:72${user}`,
            levels: [
              window(limit, 40, { subject: `${user}` }),
              window(9, 25, { policy: 'organisation' }),
            ],
            kept: kept.get(name)!,
          },
          // Of three keys one holds it, one another text, and one is not there.
          condition: { runId: '', key: `t:held:${text}`, text: 'live' },
        };
      });
      const decisions = await store.askAllWhile(asked);
      for (const [j, { question }] of asked.entries()) {
        const decision = decisions[j]!;
        expect(decision === null, `batch ${i}, question ${j}`).toBe(batch[j]!.text !== 0);
        seen[decision === null ? 'unmet' : decision.admitted ? 'admitted' : 'refused'] += 1;
        if (!decision) continue;
        expectPure(memory, question, decision, `batch ${i}, question ${j}`);
      }
      await delay(i % 4);
    }
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(30);
  });

  it('admits exactly the limit, whoever asks at one time', async () => {
    const clients = Array.from({ length: 6 }, () =>
      createLimitStore({ redis: another(), keyPrefix: 't:' }),
    );
    const question = {
      tag: 'o:2',
      levels: [window(100, 5_000), window(130, 5_000, { policy: 'organisation' })],
    };
    const decisions = await Promise.all(
      clients.flatMap((client) => Array.from({ length: 60 }, () => client.ask(question))),
    );
    const admitted = decisions.filter((decision) => decision.admitted);
    expect(admitted).toHaveLength(100);
    expect(admitted.map(({ levels }) => levels[0]!.remaining).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
    // Refused by the user's window, so nothing was taken from the organisation's.
    expect(decisions.find((decision) => !decision.admitted)!.levels[1]).toMatchObject({
      admitted: true,
      remaining: 30,
    });
    for (const level of question.levels) {
      const ttlMs = await redis.pttl(keyOf(question, level));
      expect(ttlMs > 3_000 && ttlMs <= 6_252).toBe(true);
    }
  });

  it('admits the one that waits as told, and not one that comes earlier', async () => {
    const question = { tag: 'o:3', levels: [window(2, 300)] };
    await store.ask(question);
    await delay(40);
    await store.ask(question);
    const { levels, atUs } = await store.ask(question);
    const freeUs = atUs + levels[0]!.resetUs;
    let tries = 0;
    for (;;) {
      const decision = await store.ask(question);
      expect(decision.admitted).toBe(decision.atUs >= freeUs);
      if (decision.admitted) break;
      tries += 1;
      await delay(2);
    }
    expect(tries).toBeGreaterThan(0);
  });

  it('asks once: one script call for any number of levels, and no more commands than levels need', async () => {
    const question = {
      tag: 'o:4',
      levels: [window(9, 5_000), window(9, 5_000, { policy: 'organisation' }), lease(3, 500, 'a')],
    };
    await store.ask({ ...question, levels: [...question.levels.slice(0, 2), lease(3, 500, 'b')] });
    await redis.config('RESETSTAT');
    await store.ask(question);
    const stats = await redis.info('commandstats');
    const calls = Object.fromEntries(
      [...stats.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)].map((m) => [m[1], Number(m[2])]),
    );
    expect(calls).toMatchObject({ evalsha: 1, time: 1, get: 2, append: 2 });
    expect(calls.eval).toBeUndefined();
    // From the client there was one command, beside the two that look.
    const inside = [
      'time',
      'get',
      'append',
      'pexpire',
      'zcount',
      'zrangebyscore',
      'zremrangebyscore',
      'zadd',
    ];
    const known = [...inside, 'zrange', 'type', 'pexpireat', 'config|resetstat', 'info', 'evalsha'];
    expect(Object.keys(calls).filter((name) => !known.includes(name))).toEqual([]);
  });

  it('asks for the first time, questions of every kind in one turn, where commands travel together', async () => {
    const client = new Redis(server.url, { enableAutoPipelining: true });
    others.push(client);
    const fresh = createLimitStore({ redis: client, keyPrefix: 'first:' });
    const share: Level = {
      ...window(9, 5_000, { policy: 'key' }),
      ...{ kind: 'share', agent: 1, agents: 2 },
    } as Level;
    const kinds = [window(9, 5_000), lease(9, 5_000, 'a'), share];
    const questions = Array.from({ length: 7 }, (_, n) => ({
      tag: `o:${n}`,
      levels: kinds.filter((_, kind) => (n + 1) & (1 << kind)),
    }));
    const decisions = await Promise.all(questions.map((question) => fresh.ask(question)));
    expect(decisions.map(({ admitted }) => admitted)).toEqual(questions.map(() => true));
  });

  it('uses one cluster slot for one question', async () => {
    const question = {
      tag: 'a:2001:db8::/64',
      levels: [
        window(9, 5_000, { subject: 'x{y}z' }),
        window(9, 5_000, { policy: 'organisation' }),
        lease(3, 500, 'a'),
      ],
    };
    const slots = question.levels.map((level) => crc16(hashed(keyOf(question, level))) % 16_384);
    expect(new Set(slots).size).toBe(1);
    expect(crc16('123456789')).toBe(0x31c3); // The check value of the cluster's specification.
  });
});

describe('what happens to Redis', () => {
  it('is asked again with the whole script when it has forgotten it', async () => {
    const question = { tag: 'o:5', levels: [window(3, 5_000)] };
    await store.ask(question);
    await redis.script('FLUSH');
    expect((await store.ask(question)).levels[0]!.remaining).toBe(1);
  });

  it('never uses a window twice when the clock steps back', async () => {
    const question = { tag: 'o:6', levels: [window(3, 2_000), window(9, 2_000, { policy: 'o' })] };
    const aheadUs = (await redisNowUs()) + 60_000_000;
    const key = keyOf(question, question.levels[0]!);
    await redis.set(key, packed(aheadUs - 5, aheadUs), 'PX', 62_000);
    const first = await store.ask(question);
    expect(first).toMatchObject({ admitted: true, atUs: aheadUs });
    expect(first.levels.map(({ remaining, resetUs }) => [remaining, resetUs])).toEqual([
      [0, 1_999_995],
      [8, 2_000_000],
    ]);
    // Kept until the clock has come there and the window is over.
    expect(await redis.pttl(key)).toBeGreaterThan(60_000);
    expect((await store.ask(question)).admitted).toBe(false);
  });

  it('replaces a value that is none of ours, at every level or at none', async () => {
    const levels = [window(3, 2_000), window(9, 2_000, { policy: 'o' }), lease(1, 500, 'a')];
    const question = { tag: 'o:7', levels };
    await redis.hset(keyOf(question, levels[0]!), 'a', 1);
    await redis.set(keyOf(question, levels[1]!), 'seven and a bit');
    await redis.set(keyOf(question, levels[2]!), 'text');
    const decision = await store.ask(question);
    expect(decision.admitted).toBe(true);
    expect(decision.levels.map(({ remaining }) => remaining)).toEqual([2, 8, 0]);
    expect((await store.ask({ ...question, levels: [levels[0]!] })).levels[0]!.remaining).toBe(1);
    // Refused by the lease: counted nowhere.
    const refused = await store.ask({
      ...question,
      levels: [...levels.slice(0, 2), lease(1, 500, 'b')],
    });
    expect(refused.levels.map(({ admitted, remaining }) => [admitted, remaining])).toEqual([
      [true, 1],
      [true, 8],
      [false, 0],
    ]);
  });

  it('rejects when Redis is gone', async () => {
    const gone = new Redis(1, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
    gone.on('error', () => {}); // The decision below rejects as well.
    const asked = createLimitStore({ redis: gone, keyPrefix: 't:' });
    await expect(asked.ask({ tag: 'o:8', levels: [window(3, 2_000)] })).rejects.toThrow();
    gone.disconnect();
  });
});

describe('what is kept', () => {
  it('is at most 1.5 kB for a user at a limit of 100, however the window filled', async () => {
    for (const windowMs of [60_000, 60]) {
      const question = { tag: 'o:9', levels: [window(100, windowMs, { subject: '123456789' })] };
      let most = 0;
      for (let i = 0; i < 300; i += 1) {
        await store.ask(question);
        const bytes = await redis.memory('USAGE', keyOf(question, question.levels[0]!));
        most = Math.max(most, bytes ?? 0);
      }
      expect(most).toBeGreaterThan(300);
      expect(most).toBeLessThanOrEqual(1_500);
    }
  });

  it('stays for a window after its newest entry, though its end is not set with every one', async () => {
    const windowMs = 400;
    const alone = { tag: 'o:13', levels: [window(60, windowMs)] };
    const two = {
      tag: 'o:14',
      levels: [window(60, windowMs), window(900, windowMs, { policy: 'o' })],
    };
    await redis.config('RESETSTAT');
    let admitted = 0;
    for (let i = 0; i < 120; i += 1) {
      for (const question of [alone, two]) {
        const { atUs, admitted: counted } = await store.ask(question);
        if (!counted) continue;
        admitted += question.levels.length;
        for (const level of question.levels) {
          const endMs = Number(await redis.call('PEXPIRETIME', keyOf(question, level)));
          expect(endMs * 1_000).toBeGreaterThan(atUs + windowMs * 1_000);
          expect(endMs * 1_000).toBeLessThan(atUs + windowMs * 1_250 + 5_000);
        }
      }
      await delay(i % 12);
    }
    const stats = await redis.info('commandstats');
    const calls = (name: string) =>
      Number(new RegExp(`_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
    expect(calls('append')).toBeGreaterThan(50);
    expect(calls('pexpire')).toBeLessThan(calls('append') / 2);
    expect(admitted).toBeGreaterThan(100);
  });

  it('is exact in windows so long that they are cut only now and then', async () => {
    const levels = [window(700, 150, { weight: 60 })];
    const counted: { atUs: number }[] = [];
    for (let i = 0; i < 120; i += 1) {
      const { admitted, atUs, levels: said } = await store.ask({ tag: 'o:12', levels });
      const used = counted.filter((one) => atUs - one.atUs < 150_000).length * 60;
      expect(admitted).toBe(used + 60 <= 700);
      expect(said[0]!.remaining).toBe(700 - used - (admitted ? 60 : 0));
      if (admitted) counted.push({ atUs });
      await delay(i % 9);
    }
    expect(counted.length).toBeGreaterThan(30);
  });

  it('of a lease is gone when its process crashed and its time is over', async () => {
    const ask = (id: string): Promise<Decision> =>
      store.ask({ tag: 'o:10', levels: [lease(2, 150, id)] });
    expect((await ask('a')).admitted).toBe(true);
    expect((await ask('b')).admitted).toBe(true);
    const refused = await ask('c');
    expect(refused.admitted).toBe(false);
    expect(refused.levels[0]!.resetUs).toBeLessThanOrEqual(150_000);
    await store.release({ tag: 'o:10', levels: [lease(2, 150, 'a')] });
    expect((await ask('d')).admitted).toBe(true);
    await delay(160);
    expect((await ask('e')).levels[0]).toMatchObject({ admitted: true, remaining: 1 });
    await delay(160);
    expect(await redis.exists('t:rl:{o:10}search:1')).toBe(0);
  });

  it('does not depend on the clock of whoever asks', async () => {
    const question = { tag: 'o:11', levels: [window(3, 60_000)] };
    const fromUs = await redisNowUs();
    const { now } = Date;
    try {
      Date.now = () => now() - 5_000;
      const early = await store.ask(question);
      Date.now = () => now() + 120_000;
      const late = await store.ask(question);
      expect(late.levels[0]!.remaining).toBe(1);
      expect(early.atUs).toBeGreaterThanOrEqual(fromUs);
      expect(late.atUs - early.atUs).toBeLessThan(5_000_000);
    } finally {
      Date.now = now;
    }
  });
});

/** The part of a key that a cluster hashes. */
function hashed(key: string): string {
  return /\{([^}]+)\}/.exec(key)?.[1] ?? key;
}

/** CRC16-CCITT (XMODEM), as the cluster's specification gives it. */
function crc16(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      crc = ((crc & 0x8000) !== 0 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}
