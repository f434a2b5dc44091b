import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FairShareLevel, Level, LimitRequest, WindowLevel } from './contract.ts';
import { createLocalLimiter } from './local-limiter.ts';
import { decide, type RequestState, refund, release } from './policy.ts';

const wholeLimit = { limitFactor: 1, quotaShare: 1 };
const window = (more: Partial<WindowLevel> = {}): WindowLevel => ({
  kind: 'window',
  policy: 'user',
  subject: '1',
  limit: 10,
  shadow: false,
  windowMs: 1_000,
  weight: 1,
  ...more,
});
const fairShare = (agent: number, more: Partial<FairShareLevel> = {}): FairShareLevel => ({
  kind: 'share',
  policy: 'key',
  subject: '1',
  limit: 100,
  shadow: false,
  windowMs: 1_000,
  weight: 1,
  agent,
  agents: 50,
  ...more,
});
const requestOf = (...levels: Level[]): LimitRequest => ({ tag: 'o:1', levels });

describe('the local limiter', () => {
  it('with the whole limit decides as the store does, step by step', () => {
    const step = fc.record({
      gapUs: fc.integer({ min: 0, max: 400_000 }),
      weight: fc.integer({ min: 1, max: 4 }),
      shadow: fc.boolean(),
      after: fc.constantFrom('nothing', 'refund', 'release'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const local = createLocalLimiter();
        let state: RequestState = [null, null, null];
        let nowUs = 1e6;
        for (const [i, { gapUs, weight, shadow, after }] of steps.entries()) {
          nowUs += gapUs;
          const request = requestOf(
            window({ weight, shadow }),
            window({ policy: 'organisation', limit: 15, windowMs: 1_500, weight }),
            {
              kind: 'lease',
              policy: 'search',
              subject: '1',
              limit: 5,
              shadow: false,
              slotTtlMs: 700,
              slotId: `${i}`,
            },
          );
          const expected = decide(state, request, nowUs);
          state = expected.state;
          const got = local.decide(request, wholeLimit, nowUs);
          const { admitted, levels } = expected.decision;
          expect({ admitted: got.admitted, levels: got.levels }).toEqual({ admitted, levels });
          if (after === 'refund') {
            state = refund(state, request, expected.decision);
            got.refund();
          }
          if (after === 'release') {
            state = release(state, request);
            local.release(request);
          }
        }
      }),
    );
  });

  it('reduces limits by the factor, and refuses what never fits for a whole window', () => {
    const local = createLocalLimiter();
    const quota = { limitFactor: 0.25 * 0.1, quotaShare: 0.25 };
    const first = local.decide(requestOf(window({ limit: 100 })), quota, 0);
    expect(first.levels).toMatchObject([{ admitted: true, limit: 2, remaining: 1 }]);
    const heavy = local.decide(requestOf(window({ limit: 100, weight: 3 })), quota, 0);
    expect(heavy.levels).toMatchObject([{ admitted: false, remaining: 1, resetUs: 1_000_000 }]);
    const none = local.decide(requestOf(window({ limit: 30 })), quota, 0);
    expect(none).toMatchObject({ admitted: false, levels: [{ limit: 0, remaining: 0 }] });
  });

  it('does not lose a unit to fractions', () => {
    const local = createLocalLimiter();
    const third = 1 - 1 / 3 - 1 / 3;
    const { levels } = local.decide(
      requestOf(window({ limit: 30 })),
      { limitFactor: 0.1 * third, quotaShare: third },
      0,
    );
    expect(levels).toMatchObject([{ admitted: true, limit: 1 }]);
  });

  it('gives one agent half of the key at most', () => {
    const local = createLocalLimiter();
    const quota = { limitFactor: 0.1, quotaShare: 1 };
    const admitted = (agent: number) =>
      Array.from({ length: 20 }, () => local.decide(requestOf(fairShare(agent)), quota, 0)).filter(
        (one) => one.admitted,
      ).length;
    expect([admitted(1), admitted(2), admitted(3)]).toEqual([5, 5, 0]);
  });

  it('gives at least one concurrency slot, and none without a quota share', () => {
    const local = createLocalLimiter();
    const concurrency = (slotId: string): Level => ({
      kind: 'lease',
      policy: 'search',
      subject: '1',
      limit: 2,
      shadow: false,
      slotTtlMs: 1_000,
      slotId,
    });
    const quota = { limitFactor: 0.025, quotaShare: 0.25 };
    expect(local.decide(requestOf(concurrency('a')), quota, 0).admitted).toBe(true);
    expect(local.decide(requestOf(concurrency('b')), quota, 0).admitted).toBe(false);
    expect(local.release(requestOf(concurrency('a')))).toBe(true);
    expect(local.release(requestOf(concurrency('b')))).toBe(false);
    expect(local.decide(requestOf(concurrency('b')), quota, 0).admitted).toBe(true);
    expect(
      local.decide(requestOf(concurrency('c')), { limitFactor: 0, quotaShare: 0 }, 2e6).admitted,
    ).toBe(false);
  });

  it('refuses subjects beyond its bound, and forgets only windows that are over', () => {
    const local = createLocalLimiter({ maxSubjects: 3, maxUnits: 1_000 });
    const one = (subject: number, nowUs: number) =>
      local.decide(requestOf(window({ subject: `${subject}` })), wholeLimit, nowUs).admitted;
    expect([1, 2, 3, 4].map((subject) => one(subject, 0))).toEqual([true, true, true, false]);
    expect(one(1, 500_000)).toBe(true);
    expect(one(4, 999_999)).toBe(false);
    expect(one(4, 1_000_000)).toBe(true);
    expect(
      local.decide(requestOf(window({ subject: '1' })), wholeLimit, 1_400_000).levels[0]!.remaining,
    ).toBe(8);
  });

  it('bounds its units too, over admissions, refunds and expiry', () => {
    const local = createLocalLimiter({ maxSubjects: 100, maxUnits: 50 });
    const count = (nowUs: number) =>
      Array.from({ length: 100 }, (_, i) =>
        local.decide(requestOf(window({ subject: `${i % 20}` })), wholeLimit, nowUs),
      ).filter(({ admitted }) => admitted);
    for (let round = 0; round < 5; round += 1) {
      const admitted = count(round * 2e6);
      expect(admitted).toHaveLength(50);
      for (const decision of admitted.slice(0, 7)) decision.refund();
      expect(count(round * 2e6 + 1)).toHaveLength(7);
    }
  });
});
