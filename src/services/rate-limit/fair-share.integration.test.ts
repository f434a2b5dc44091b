/**
 * lua/fair-share.lua in a real Redis and the pure policy are one step: the same decision, figures and stored bytes on
 * random traces. The time is an argument of the script here, so a trace is the same on every machine.
 */
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownRedis } from '../../sim/effects/testbed/fixtures/stores.ts';
import { createRandom, randomBelow } from '../../sim/pure/random.ts';
import type { FairShareLevel } from './contract.ts';
import { evaluateFairShare, type FairShareState } from './fair-share.ts';
import { decodeFairShare, encodeFairShare } from './fixtures/fair-share-encoding.ts';

const luaFile = (name: string) => readFileSync(new URL(`lua/${name}`, import.meta.url), 'utf8');
const script = `${luaFile('read.lua')}${luaFile('fair-share.lua')}
local n = {}
for i = 1, #ARGV do n[i] = tonumber(ARGV[i]) end
local level = { limit = n[2], window = n[3], weight = n[4], agent = n[5], agents = n[6] }
local step = evaluate_fair_share(KEYS[1], level, n[1])
local value = step.refused_value
if step.ok and n[7] == 1 then value = step.admitted_value end
if value then redis.call('SET', KEYS[1], value) end
return { step.ok and 1 or 0, step.remaining, step.reset, step.now, step.ttl, redis.call('GET', KEYS[1]) }`;

interface RedisWithShare extends Redis {
  evaluateFairShareBuffer(
    key: string,
    ...numbers: number[]
  ): Promise<[number, number, number, number, number, Buffer | null]>;
}

const server = ownRedis('share');
let redis: RedisWithShare;

beforeAll(async () => {
  redis = new Redis(server.url) as RedisWithShare;
  redis.defineCommand('evaluateFairShare', { numberOfKeys: 1, lua: script });
});
afterAll(() => redis?.disconnect());

/** Runs both for one request and returns what the pure policy keeps; complains where they differ. */
async function both(input: {
  key: string;
  state: FairShareState | null;
  level: FairShareLevel;
  nowUs: number;
  /** Another level refuses the request. */
  refusedElsewhere: boolean;
}) {
  const { key, state, level, nowUs } = input;
  const step = evaluateFairShare(state, level, nowUs);
  const kept = input.refusedElsewhere ? step.refusedState : step.state;
  const { limit, windowMs, weight, agent, agents } = level;
  const counted = input.refusedElsewhere ? 0 : 1;
  const numbers = [nowUs, limit, windowMs * 1_000, weight, agent, agents, counted];
  const [ok, remaining, resetUs, now, ttlMs, bytes] = await redis.evaluateFairShareBuffer(
    key,
    ...numbers,
  );
  expect({ ok: ok === 1, remaining, resetUs }).toEqual({
    ok: step.admitted,
    remaining: step.remaining,
    resetUs: step.resetUs,
  });
  expect(now).toBe(Math.max(nowUs, state?.timesUs.at(-1) ?? 0));
  expect(ttlMs).toBe(windowMs);
  expect(bytes?.toString('hex')).toBe(kept && encodeFairShare(kept).toString('hex'));
  if (bytes && kept) expect(decodeFairShare(bytes)).toEqual(kept);
  return { kept, admitted: step.admitted };
}

describe('the fair share in Redis', () => {
  const sizes = [
    { limit: 20, agents: 3, windowMs: 100, steps: 600, seeds: 8 },
    { limit: 100, agents: 50, windowMs: 2_000, steps: 1_200, seeds: 4 },
    { limit: 1_500, agents: 50, windowMs: 60_000, steps: 3_000, seeds: 1 },
    { limit: 700, agents: 255, windowMs: 1_000, steps: 1_500, seeds: 1 },
  ];
  for (const size of sizes)
    it(`decides as the policy does, field by field and byte by byte: ${size.limit} units, ${size.agents} agents`, async () => {
      const seen = { admitted: 0, refused: 0 };
      for (let seed = 1; seed <= size.seeds; seed += 1) {
        const random = createRandom(seed);
        const int = (n: number) => randomBelow(random, Math.max(1, Math.floor(n)));
        const key = `share:${size.limit}:${seed}`;
        let state: FairShareState | null = null;
        let nowUs = 1_700_000_000_000_000 + int(1e9);
        let { limit, agents } = size;
        for (let i = 0; i < size.steps; i += 1) {
          // Mostly a little more than fits; now and then a pause, a clock that steps back, other settings.
          const mean = (size.windowMs * 1_000) / limit / 1.5;
          nowUs += int(2 * mean);
          if (int(40) === 0) nowUs += int(size.windowMs * 400);
          if (int(60) === 0) nowUs -= int(size.windowMs * 100);
          if (int(150) === 0)
            limit = Math.max(1, Math.floor(size.limit * (0.3 + int(1_000) / 1_000)));
          if (int(150) === 0) agents = 1 + int(size.agents);
          const agent = int(3) === 0 ? size.agents : int(size.agents + 1);
          const weight = int(4) === 0 ? 1 + int(5) : 1;
          const level: FairShareLevel = {
            kind: 'share',
            policy: 'key',
            subject: '1',
            shadow: false,
            limit,
            weight,
            agent,
            agents,
            windowMs: size.windowMs,
          };
          const refusedElsewhere = int(20) === 0;
          const result = await both({ key, state, level, nowUs, refusedElsewhere });
          state = result.kept;
          seen[result.admitted ? 'admitted' : 'refused'] += 1;
        }
      }
      expect(Math.min(seen.admitted, seen.refused)).toBeGreaterThan(50);
    });

  it('starts afresh over a value that is none of ours', async () => {
    const level: FairShareLevel = {
      kind: 'share',
      policy: 'key',
      subject: '1',
      shadow: false,
      limit: 20,
      weight: 2,
      agent: 3,
      agents: 5,
      windowMs: 100,
    };
    const input = { state: null, level, nowUs: 1_700_000_000_000_000, refusedElsewhere: false };
    for (const value of [
      '',
      'x',
      'a text that is long enough to look like something',
      '\0'.repeat(29),
    ]) {
      await redis.set('share:foreign', value);
      expect((await both({ ...input, key: 'share:foreign' })).admitted).toBe(true);
    }
    await redis.del('share:foreign');
    await redis.rpush('share:foreign', 'a', 'b');
    expect((await both({ ...input, key: 'share:foreign' })).admitted).toBe(true);
  });
});
