import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Level, Question, ShareLevel, WindowLevel } from './contract.ts';
import { createLocalShare } from './local-share.ts';
import { decide, type QuestionState, refund, release } from './policy.ts';

const whole = { factor: 1, part: 1 };
const window = (more: Partial<WindowLevel> = {}): WindowLevel => ({
  ...{ kind: 'window', policy: 'user', subject: '1', limit: 10, shadow: false },
  ...{ windowMs: 1_000, weight: 1, ...more },
});
const share = (agent: number, more: Partial<ShareLevel> = {}): ShareLevel => ({
  ...{ kind: 'share', policy: 'key', subject: '1', limit: 100, shadow: false },
  ...{ windowMs: 1_000, weight: 1, agent, agents: 50, ...more },
});
const ask = (...levels: Level[]): Question => ({ tag: 'o:1', levels });

describe('the local share', () => {
  it('of the whole decides as the store does, step by step', () => {
    const step = fc.record({
      gapUs: fc.integer({ min: 0, max: 400_000 }),
      weight: fc.integer({ min: 1, max: 4 }),
      shadow: fc.boolean(),
      after: fc.constantFrom('nothing', 'refund', 'release'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const local = createLocalShare();
        let state: QuestionState = [null, null, null];
        let nowUs = 1e6;
        for (const [i, { gapUs, weight, shadow, after }] of steps.entries()) {
          nowUs += gapUs;
          const question = ask(
            window({ weight, shadow }),
            window({ policy: 'organisation', limit: 15, windowMs: 1_500, weight }),
            {
              ...{ kind: 'lease', policy: 'search', subject: '1', limit: 5, shadow: false },
              ...{ leaseMs: 700, leaseId: `${i}` },
            },
          );
          const expected = decide(state, question, nowUs);
          state = expected.state;
          const got = local.decide(question, whole, nowUs);
          const { admitted, levels } = expected.decision;
          expect({ admitted: got.admitted, levels: got.levels }).toEqual({ admitted, levels });
          if (after === 'refund') {
            state = refund(state, question, expected.decision);
            got.refund();
          }
          if (after === 'release') {
            state = release(state, question);
            local.release(question);
          }
        }
      }),
    );
  });

  it('is what is said, and refuses what can never fit until a window is over', () => {
    const local = createLocalShare();
    const by = { factor: 0.25 * 0.1, part: 0.25 };
    const first = local.decide(ask(window({ limit: 100 })), by, 0);
    expect(first.levels).toMatchObject([{ admitted: true, limit: 2, remaining: 1 }]);
    const heavy = local.decide(ask(window({ limit: 100, weight: 3 })), by, 0);
    expect(heavy.levels).toMatchObject([{ admitted: false, remaining: 1, resetUs: 1_000_000 }]);
    const none = local.decide(ask(window({ limit: 30 })), by, 0);
    expect(none).toMatchObject({ admitted: false, levels: [{ limit: 0, remaining: 0 }] });
  });

  it('does not lose a unit to fractions', () => {
    const local = createLocalShare();
    const third = 1 - 1 / 3 - 1 / 3;
    const { levels } = local.decide(
      ask(window({ limit: 30 })),
      { factor: 0.1 * third, part: third },
      0,
    );
    expect(levels).toMatchObject([{ admitted: true, limit: 1 }]);
  });

  it('gives one agent half of the key at most', () => {
    const local = createLocalShare();
    const by = { factor: 0.1, part: 1 };
    const admitted = (agent: number) =>
      Array.from({ length: 20 }, () => local.decide(ask(share(agent)), by, 0)).filter(
        (one) => one.admitted,
      ).length;
    expect([admitted(1), admitted(2), admitted(3)]).toEqual([5, 5, 0]);
  });

  it('keeps one lease at least, and none without a part', () => {
    const local = createLocalShare();
    const lease = (leaseId: string): Level => ({
      ...{ kind: 'lease', policy: 'search', subject: '1', limit: 2, shadow: false },
      ...{ leaseMs: 1_000, leaseId },
    });
    const by = { factor: 0.025, part: 0.25 };
    expect(local.decide(ask(lease('a')), by, 0).admitted).toBe(true);
    expect(local.decide(ask(lease('b')), by, 0).admitted).toBe(false);
    expect(local.release(ask(lease('a')))).toBe(true);
    expect(local.release(ask(lease('b')))).toBe(false);
    expect(local.decide(ask(lease('b')), by, 0).admitted).toBe(true);
    expect(local.decide(ask(lease('c')), { factor: 0, part: 0 }, 2e6).admitted).toBe(false);
  });

  it('refuses whom it cannot remember, and forgets only windows that are over', () => {
    const local = createLocalShare({ maxSubjects: 3, maxUnits: 1_000 });
    const one = (subject: number, nowUs: number) =>
      local.decide(ask(window({ subject: `${subject}` })), whole, nowUs).admitted;
    expect([1, 2, 3, 4].map((subject) => one(subject, 0))).toEqual([true, true, true, false]);
    expect(one(1, 500_000)).toBe(true);
    expect(one(4, 999_999)).toBe(false);
    expect(one(4, 1_000_000)).toBe(true);
    expect(local.decide(ask(window({ subject: '1' })), whole, 1_400_000).levels[0]!.remaining).toBe(
      8,
    );
  });

  it('bounds its units as well, whatever comes and goes', () => {
    const local = createLocalShare({ maxSubjects: 100, maxUnits: 50 });
    const count = (nowUs: number) =>
      Array.from({ length: 100 }, (_, i) =>
        local.decide(ask(window({ subject: `${i % 20}` })), whole, nowUs),
      ).filter(({ admitted }) => admitted);
    for (let round = 0; round < 5; round += 1) {
      const admitted = count(round * 2e6);
      expect(admitted).toHaveLength(50);
      for (const decision of admitted.slice(0, 7)) decision.refund();
      expect(count(round * 2e6 + 1)).toHaveLength(7);
    }
  });
});
