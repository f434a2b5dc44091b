/** The pure step against a brute-force oracle, which keeps every admission and recounts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConcurrencyLevel, Level, LimitRequest, WindowLevel } from './contract.ts';
import { decide, levelKey, type RequestState, refund, release } from './policy.ts';

const windowMs = 1_000;
const windowUs = windowMs * 1_000;
const startUs = 1_700_000_000_000_000;

const window = (overrides: Partial<WindowLevel> = {}): WindowLevel => ({
  kind: 'window',
  policy: 'user',
  subject: '1',
  limit: 5,
  windowMs,
  weight: 1,
  shadow: false,
  ...overrides,
});
const concurrency = (
  slotId: string,
  overrides: Partial<ConcurrencyLevel> = {},
): ConcurrencyLevel => ({
  kind: 'lease',
  policy: 'search',
  subject: '1',
  limit: 2,
  slotTtlMs: 500,
  shadow: false,
  slotId,
  ...overrides,
});
const requestOf = (...levels: readonly Level[]): LimitRequest => ({ tag: 'o:1', levels });

/** Forward steps, many of them close to the window's edge; some back. */
const gap = fc.oneof(
  { weight: 5, arbitrary: fc.nat({ max: 300_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: windowUs - 2, max: windowUs + 2 }) },
  { weight: 1, arbitrary: fc.integer({ min: -2 * windowUs, max: 0 }) },
);
const requestArbitrary = fc.record({
  gap,
  weight: fc.integer({ min: 1, max: 7 }),
  userLimit: fc.constantFrom(0, 3, 5, 8),
  organisationLimit: fc.constantFrom(6, 10),
  organisationShadow: fc.boolean(),
  hasOrganisation: fc.boolean(),
});

interface Admission {
  readonly atUs: number;
  readonly weight: number;
}
const unitsIn = (log: readonly Admission[], nowUs: number) =>
  log.reduce((sum, { atUs, weight }) => sum + (nowUs - atUs < windowUs ? weight : 0), 0);

describe('windows of many levels', () => {
  it('admit exactly what fits at every level that is enforced, and count it once or not at all', () => {
    fc.assert(
      fc.property(fc.array(requestArbitrary, { maxLength: 120 }), (steps) => {
        const memory = new Map<string, RequestState[number]>();
        const logs = new Map<string, Admission[]>();
        let now = startUs;
        for (const step of steps) {
          now += step.gap;
          const levels = [
            window({ limit: step.userLimit, weight: step.weight }),
            ...(step.hasOrganisation
              ? [
                  window({
                    policy: 'organisation',
                    limit: step.organisationLimit,
                    weight: step.weight,
                    shadow: step.organisationShadow,
                  }),
                ]
              : []),
          ];
          const request = requestOf(...levels);
          const keys = levels.map((level) => levelKey(request.tag, level));
          const before = keys.map((key) => memory.get(key) ?? null);
          const { decision, state } = decide(before, request, now);

          const log = (i: number) => logs.get(keys[i]!) ?? [];
          const newest = Math.max(now, ...keys.flatMap((_, i) => log(i).map(({ atUs }) => atUs)));
          expect(decision.atUs).toBe(newest);
          const used = keys.map((_, i) => unitsIn(log(i), newest));
          const fits = levels.map(({ limit, weight }, i) => used[i]! + weight <= limit);
          expect(decision.levels.map(({ admitted }) => admitted)).toEqual(fits);
          expect(decision.admitted).toBe(levels.every(({ shadow }, i) => shadow || fits[i]));
          levels.forEach(({ limit, weight }, i) => {
            const counted = decision.admitted && fits[i]!;
            if (counted) logs.set(keys[i]!, [...log(i), { atUs: newest, weight }]);
            else expect(state[i]).toEqual(before[i]);
            const left = limit - used[i]! - (counted ? weight : 0);
            expect(decision.levels[i]!.remaining).toBe(Math.max(0, left));
            memory.set(keys[i]!, state[i]!);
          });
        }
        // Never more than the largest limit in any window, wherever it begins.
        for (const [key, log] of logs) {
          const most = key.includes('organisation') ? 10 : 8;
          for (const { atUs } of log) {
            const inWindow = log.filter((one) => one.atUs >= atUs && one.atUs - atUs < windowUs);
            expect(inWindow.reduce((sum, { weight }) => sum + weight, 0)).toBeLessThanOrEqual(most);
          }
        }
      }),
    );
  });

  it('admit a request that waits for the reset, and not earlier', () => {
    fc.assert(
      fc.property(fc.array(requestArbitrary, { maxLength: 60 }), (steps) => {
        let state: RequestState = [null];
        let now = startUs;
        for (const step of steps) {
          now += step.gap;
          const request = requestOf(window({ limit: step.userLimit, weight: step.weight }));
          const next = decide(state, request, now);
          const { admitted, resetUs } = next.decision.levels[0]!;
          state = next.state;
          if (admitted) continue;
          if (step.weight > step.userLimit) {
            expect(resetUs).toBe(windowUs);
            continue;
          }
          const at = next.decision.atUs + resetUs;
          expect(decide(state, request, at).decision.admitted).toBe(true);
          expect(decide(state, request, at - 1).decision.admitted).toBe(false);
        }
      }),
    );
  });

  it('take nothing from a level that had room when another refused', () => {
    const full = decide([null], requestOf(window({ limit: 1 })), startUs).state[0]!;
    const both = requestOf(window({ limit: 1 }), window({ policy: 'organisation' }));
    const { decision, state } = decide([full, null], both, startUs + 10);
    expect(decision.admitted).toBe(false);
    expect(decision.levels[1]).toMatchObject({ admitted: true, remaining: 5, resetUs: 0 });
    expect(state).toEqual([full, null]);
  });

  it('remove refunded units', () => {
    const request = requestOf(window({ weight: 3 }), window({ policy: 'organisation', weight: 3 }));
    const first = decide([null, null], requestOf(window(), window()), startUs);
    const second = decide(first.state, request, startUs + 7);
    expect(refund(second.state, request, second.decision)).toEqual(first.state);
    // A refusal has nothing to refund.
    const third = decide(second.state, request, startUs + 9);
    expect(third.decision.admitted).toBe(false);
    expect(refund(third.state, request, third.decision)).toEqual(second.state);
  });
});

describe('fair shares', () => {
  it('give refunded units back as if they had never been taken', () => {
    const share = (agent: number, weight = 1): Level => ({
      kind: 'share',
      policy: 'key',
      subject: '7',
      limit: 10,
      windowMs: 1_000,
      weight,
      shadow: false,
      agent,
      agents: 2,
    });
    // At one instant, so that units of two agents are mixed.
    const first = decide([null], requestOf(share(1)), startUs);
    const second = decide(first.state, requestOf(share(2, 2)), startUs);
    const third = decide(second.state, requestOf(share(1)), startUs);
    const without = decide(first.state, requestOf(share(1)), startUs);
    const refunded = refund(third.state, requestOf(share(2, 2)), second.decision);
    const next = requestOf(share(2, 5));
    expect(decide(refunded, next, startUs + 9).decision).toEqual(
      decide(without.state, next, startUs + 9).decision,
    );
    // Twice is once.
    expect(refund(refunded, requestOf(share(2, 2)), second.decision)).toEqual(refunded);
  });
});

describe('concurrency levels', () => {
  it('bound what runs at one time; slots expire and can be released', () => {
    const step = fc.record({
      gap: fc.nat({ max: 300_000 }),
      limit: fc.integer({ min: 0, max: 3 }),
      back: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let state: RequestState = [null];
        let held: { id: string; endUs: number }[] = [];
        let now = startUs;
        steps.forEach(({ gap: later, limit, back }, i) => {
          now += later;
          held = held.filter(({ endUs }) => endUs > now);
          if (back && held[0]) {
            state = release(state, requestOf(concurrency(held[0].id)));
            held = held.slice(1);
          }
          const next = decide(state, requestOf(concurrency(String(i), { limit })), now);
          expect(next.decision.admitted).toBe(held.length < limit);
          expect(next.decision.levels[0]!.windowMs).toBe(0);
          if (next.decision.admitted) held.push({ id: String(i), endUs: now + 500_000 });
          else if (limit > 0) {
            const at = now + next.decision.levels[0]!.resetUs;
            const retry = requestOf(concurrency('retry', { limit }));
            expect(decide(next.state, retry, at).decision.admitted).toBe(true);
            expect(decide(next.state, retry, at - 1).decision.admitted).toBe(false);
          }
          state = next.state;
        });
      }),
    );
  });
});
