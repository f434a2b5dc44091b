/** What only Redis can show: the script is the pure policy, atomic, one round trip, and small. */
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownRedis } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { CachedEncoding, Decision, Level, LimitRequest } from './contract.ts';
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

const window = (limit: number, windowMs: number, overrides: Partial<Level> = {}): Level =>
  ({
    kind: 'window',
    policy: 'user',
    subject: '1',
    weight: 1,
    shadow: false,
    limit,
    windowMs,
    ...overrides,
  }) as Level;
const concurrency = (limit: number, slotTtlMs: number, slotId: string): Level => ({
  kind: 'lease',
  policy: 'search',
  subject: '1',
  shadow: false,
  limit,
  slotTtlMs,
  slotId,
});
const keyOf = (request: LimitRequest, level: Level) => `t:rl:${levelKey(request.tag, level)}`;
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

/** Compares a decision with that of the pure policy at the same time, and stores the policy's new state. */
function expectPure(
  memory: Map<string, LevelMemory | null>,
  request: LimitRequest,
  decision: Decision,
  what: string,
) {
  const keys = request.levels.map((level) => levelKey(request.tag, level));
  const before = keys.map((key) => memory.get(key) ?? null);
  const pure = decide(before, request, decision.atUs);
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
    levels,
    weight,
    shadow,
    pauseMs: fc.constantFrom(0, 0, 0, 1, 3, 9, 30),
    limit: fc.constantFrom(0, 3, 6, 8),
    agent: fc.nat({ max: 3 }),
    after: fc.constantFrom('nothing', 'nothing', 'refund', 'release'),
  });

  it('decides as the policy does, in every field, over random traces of all kinds', async () => {
    const memory = new Map<string, LevelMemory | null>();
    const seen = { admitted: 0, refused: 0 };
    const running: LimitRequest[] = [];
    for (const [i, drawn] of fc.sample(step, { numRuns: 700, seed: 4 }).entries()) {
      const levelsOfStep = drawn.levels.map(({ policy }): Level => {
        if (policy === 'search') return concurrency(2, 20, String(i));
        const { weight, shadow } = drawn;
        if (policy === 'user') return window(drawn.limit, 40, { weight });
        if (policy === 'organisation') return window(9, 25, { policy, weight, shadow });
        // Longer than any pause here, because a key's state expires with the window and the policy's does not.
        const share = { kind: 'share', agent: drawn.agent, agents: 3, windowMs: 500 } as const;
        return { ...share, policy, subject: '7', limit: 60, weight, shadow: false };
      });
      const request = { tag: 'o:1', levels: levelsOfStep };
      const keys = levelsOfStep.map((level) => levelKey(request.tag, level));
      const before = keys.map((key) => memory.get(key) ?? null);
      const windows = levelsOfStep.filter(({ kind }) => kind !== 'share');
      const dump = () =>
        Promise.all(windows.map((level) => redis.dumpBuffer(keyOf(request, level))));
      const dumped = await dump();

      const decision = await store.decide(request);
      const pure = decide(before, request, decision.atUs);
      expect(decision, `step ${i}`).toEqual(pure.decision);

      let { state } = pure;
      if (decision.admitted) {
        seen.admitted += 1;
        running.push(request);
      } else {
        seen.refused += 1;
        const left = await dump();
        // Keys that expired meanwhile are missing.
        left.forEach((value, j) => {
          if (value) expect(value).toEqual(dumped[j]);
        });
      }
      if (drawn.after === 'refund') {
        await store.refund(request, decision);
        state = refund(state, request, decision);
      }
      keys.forEach((key, j) => {
        memory.set(key, state[j]!);
      });
      if (drawn.after === 'release' && running[0]) {
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
      if (drawn.pauseMs > 0) await delay(drawn.pauseMs);
    }
    expect(Math.min(seen.admitted, seen.refused)).toBeGreaterThan(100);
  });

  it('decides a batch as if its requests came one after the other', async () => {
    const memory = new Map<string, LevelMemory | null>();
    const encodings = new Map<string, CachedEncoding>();
    const seen = { admitted: 0, refused: 0 };
    const one = fc.record({
      user: fc.nat({ max: 2 }),
      limit: fc.constantFrom(3, 6),
      slot: fc.nat({ max: 5 }),
    });
    const batches = fc.sample(fc.array(one, { minLength: 1, maxLength: 12 }), {
      numRuns: 80,
      seed: 5,
    });
    for (const [i, batch] of batches.entries()) {
      const requests = batch.map((drawn, j): LimitRequest => {
        const windowLevels: Level[] = [
          window(drawn.limit, 40, { subject: `${drawn.user}` }),
          window(9, 25, { policy: 'organisation' }),
        ];
        if (drawn.slot === 0)
          return { tag: 'o:709', levels: [...windowLevels, concurrency(2, 20, `${i}.${j}`)] };
        const name = `${drawn.user} ${drawn.limit}`;
        encodings.set(name, encodings.get(name) ?? {});
        return { tag: `o:70${drawn.user}`, levels: windowLevels, cached: encodings.get(name)! };
      });
      const decisions = await store.decideBatch(requests);
      for (const [j, request] of requests.entries()) {
        expectPure(memory, request, decisions[j]!, `batch ${i}, request ${j}`);
        seen[decisions[j]!.admitted ? 'admitted' : 'refused'] += 1;
      }
      await delay(i % 4);
    }
    expect(Math.min(seen.admitted, seen.refused)).toBeGreaterThan(50);
  });

  it('decides those of a batch whose conditions hold, and counts nothing for the others', async () => {
    const memory = new Map<string, LevelMemory | null>();
    const encodings = new Map<string, CachedEncoding>();
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
      const conditionals = batch.map(({ user, limit, text }) => {
        const name = `${user} ${limit}`;
        encodings.set(name, encodings.get(name) ?? {});
        return {
          request: {
            tag: `o:72${user}`,
            levels: [
              window(limit, 40, { subject: `${user}` }),
              window(9, 25, { policy: 'organisation' }),
            ],
            cached: encodings.get(name)!,
          },
          // One key has the value, one another value, and one is missing.
          condition: { runId: '', key: `t:held:${text}`, text: 'live' },
        };
      });
      const decisions = await store.decideBatchIf(conditionals);
      for (const [j, { request }] of conditionals.entries()) {
        const decision = decisions[j]!;
        expect(decision === null, `batch ${i}, request ${j}`).toBe(batch[j]!.text !== 0);
        seen[decision === null ? 'unmet' : decision.admitted ? 'admitted' : 'refused'] += 1;
        if (!decision) continue;
        expectPure(memory, request, decision, `batch ${i}, request ${j}`);
      }
      await delay(i % 4);
    }
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(30);
  });

  it('admits exactly the limit under concurrent requests', async () => {
    const clients = Array.from({ length: 6 }, () =>
      createLimitStore({ redis: another(), keyPrefix: 't:' }),
    );
    const request = {
      tag: 'o:2',
      levels: [window(100, 5_000), window(130, 5_000, { policy: 'organisation' })],
    };
    const decisions = await Promise.all(
      clients.flatMap((client) => Array.from({ length: 60 }, () => client.decide(request))),
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
    for (const level of request.levels) {
      const ttlMs = await redis.pttl(keyOf(request, level));
      expect(ttlMs > 3_000 && ttlMs <= 6_252).toBe(true);
    }
  });

  it('admits a request that waits for the reset, and not an earlier one', async () => {
    const request = { tag: 'o:3', levels: [window(2, 300)] };
    await store.decide(request);
    await delay(40);
    await store.decide(request);
    const { levels, atUs } = await store.decide(request);
    const freeUs = atUs + levels[0]!.resetUs;
    let tries = 0;
    for (;;) {
      const decision = await store.decide(request);
      expect(decision.admitted).toBe(decision.atUs >= freeUs);
      if (decision.admitted) break;
      tries += 1;
      await delay(2);
    }
    expect(tries).toBeGreaterThan(0);
  });

  it('needs one script call for any number of levels, and no more commands than the levels need', async () => {
    const request = {
      tag: 'o:4',
      levels: [
        window(9, 5_000),
        window(9, 5_000, { policy: 'organisation' }),
        concurrency(3, 500, 'a'),
      ],
    };
    await store.decide({
      ...request,
      levels: [...request.levels.slice(0, 2), concurrency(3, 500, 'b')],
    });
    await redis.config('RESETSTAT');
    await store.decide(request);
    const stats = await redis.info('commandstats');
    const calls = Object.fromEntries(
      [...stats.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)].map((m) => [m[1], Number(m[2])]),
    );
    expect(calls).toMatchObject({ evalsha: 1, time: 1, get: 2, append: 2 });
    expect(calls.eval).toBeUndefined();
    // One command from the client, beside the two of the observer.
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

  it('decides requests of every kind in the first pipeline of a connection', async () => {
    const client = new Redis(server.url, { enableAutoPipelining: true });
    others.push(client);
    const fresh = createLimitStore({ redis: client, keyPrefix: 'first:' });
    const share: Level = {
      ...window(9, 5_000, { policy: 'key' }),
      kind: 'share',
      agent: 1,
      agents: 2,
    } as Level;
    const kinds = [window(9, 5_000), concurrency(9, 5_000, 'a'), share];
    const requests = Array.from({ length: 7 }, (_, n) => ({
      tag: `o:${n}`,
      levels: kinds.filter((_, kind) => (n + 1) & (1 << kind)),
    }));
    const decisions = await Promise.all(requests.map((request) => fresh.decide(request)));
    expect(decisions.map(({ admitted }) => admitted)).toEqual(requests.map(() => true));
  });

  it('uses one cluster slot for one request', async () => {
    const request = {
      tag: 'a:2001:db8::/64',
      levels: [
        window(9, 5_000, { subject: 'x{y}z' }),
        window(9, 5_000, { policy: 'organisation' }),
        concurrency(3, 500, 'a'),
      ],
    };
    const slots = request.levels.map((level) => crc16(hashed(keyOf(request, level))) % 16_384);
    expect(new Set(slots).size).toBe(1);
    expect(crc16('123456789')).toBe(0x31c3); // The check value of the cluster's specification.
  });
});

describe('faults of Redis', () => {
  it('gets the script again after it has lost it', async () => {
    const request = { tag: 'o:5', levels: [window(3, 5_000)] };
    await store.decide(request);
    await redis.script('FLUSH');
    expect((await store.decide(request)).levels[0]!.remaining).toBe(1);
  });

  it('never uses a window twice when the clock steps back', async () => {
    const request = { tag: 'o:6', levels: [window(3, 2_000), window(9, 2_000, { policy: 'o' })] };
    const aheadUs = (await redisNowUs()) + 60_000_000;
    const key = keyOf(request, request.levels[0]!);
    await redis.set(key, packed(aheadUs - 5, aheadUs), 'PX', 62_000);
    const first = await store.decide(request);
    expect(first).toMatchObject({ admitted: true, atUs: aheadUs });
    expect(first.levels.map(({ remaining, resetUs }) => [remaining, resetUs])).toEqual([
      [0, 1_999_995],
      [8, 2_000_000],
    ]);
    // Stored until the clock has reached the entry and its window is over.
    expect(await redis.pttl(key)).toBeGreaterThan(60_000);
    expect((await store.decide(request)).admitted).toBe(false);
  });

  it('replaces foreign values, at every level or at none', async () => {
    const levels = [window(3, 2_000), window(9, 2_000, { policy: 'o' }), concurrency(1, 500, 'a')];
    const request = { tag: 'o:7', levels };
    await redis.hset(keyOf(request, levels[0]!), 'a', 1);
    await redis.set(keyOf(request, levels[1]!), 'seven and a bit');
    await redis.set(keyOf(request, levels[2]!), 'text');
    const decision = await store.decide(request);
    expect(decision.admitted).toBe(true);
    expect(decision.levels.map(({ remaining }) => remaining)).toEqual([2, 8, 0]);
    expect((await store.decide({ ...request, levels: [levels[0]!] })).levels[0]!.remaining).toBe(1);
    // Refused by the concurrency level: counted nowhere.
    const refused = await store.decide({
      ...request,
      levels: [...levels.slice(0, 2), concurrency(1, 500, 'b')],
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
    const disconnected = createLimitStore({ redis: gone, keyPrefix: 't:' });
    await expect(disconnected.decide({ tag: 'o:8', levels: [window(3, 2_000)] })).rejects.toThrow();
    gone.disconnect();
  });
});

describe('stored values', () => {
  it('are at most 1.5 kB for a user at a limit of 100, however the window filled', async () => {
    for (const windowMs of [60_000, 60]) {
      const request = { tag: 'o:9', levels: [window(100, windowMs, { subject: '123456789' })] };
      let most = 0;
      for (let i = 0; i < 300; i += 1) {
        await store.decide(request);
        const bytes = await redis.memory('USAGE', keyOf(request, request.levels[0]!));
        most = Math.max(most, bytes ?? 0);
      }
      expect(most).toBeGreaterThan(300);
      expect(most).toBeLessThanOrEqual(1_500);
    }
  });

  it('live for a window after their newest entry, though not every entry sets the expiry', async () => {
    const windowMs = 400;
    const alone = { tag: 'o:13', levels: [window(60, windowMs)] };
    const two = {
      tag: 'o:14',
      levels: [window(60, windowMs), window(900, windowMs, { policy: 'o' })],
    };
    await redis.config('RESETSTAT');
    let admitted = 0;
    for (let i = 0; i < 120; i += 1) {
      for (const request of [alone, two]) {
        const { atUs, admitted: counted } = await store.decide(request);
        if (!counted) continue;
        admitted += request.levels.length;
        for (const level of request.levels) {
          const endMs = Number(await redis.call('PEXPIRETIME', keyOf(request, level)));
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

  it('are exact in long windows, which are cut only now and then', async () => {
    const levels = [window(700, 150, { weight: 60 })];
    const counted: { atUs: number }[] = [];
    for (let i = 0; i < 120; i += 1) {
      const { admitted, atUs, levels: states } = await store.decide({ tag: 'o:12', levels });
      const used = counted.filter((one) => atUs - one.atUs < 150_000).length * 60;
      expect(admitted).toBe(used + 60 <= 700);
      expect(states[0]!.remaining).toBe(700 - used - (admitted ? 60 : 0));
      if (admitted) counted.push({ atUs });
      await delay(i % 9);
    }
    expect(counted.length).toBeGreaterThan(30);
  });

  it('of a concurrency slot expire after its process crashed', async () => {
    const ask = (id: string): Promise<Decision> =>
      store.decide({ tag: 'o:10', levels: [concurrency(2, 150, id)] });
    expect((await ask('a')).admitted).toBe(true);
    expect((await ask('b')).admitted).toBe(true);
    const refused = await ask('c');
    expect(refused.admitted).toBe(false);
    expect(refused.levels[0]!.resetUs).toBeLessThanOrEqual(150_000);
    await store.release({ tag: 'o:10', levels: [concurrency(2, 150, 'a')] });
    expect((await ask('d')).admitted).toBe(true);
    await delay(160);
    expect((await ask('e')).levels[0]).toMatchObject({ admitted: true, remaining: 1 });
    await delay(160);
    expect(await redis.exists('t:rl:{o:10}search:1')).toBe(0);
  });

  it('do not depend on the clock of the client', async () => {
    const request = { tag: 'o:11', levels: [window(3, 60_000)] };
    const fromUs = await redisNowUs();
    const { now } = Date;
    try {
      Date.now = () => now() - 5_000;
      const early = await store.decide(request);
      Date.now = () => now() + 120_000;
      const late = await store.decide(request);
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
