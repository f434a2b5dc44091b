import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideWindow, limitHeaders, waitSeconds } from './policy.ts';

const limit = { limit: 5, windowMs: 1_000 };
const windowUs = limit.windowMs * 1_000;
/** Steps between requests, many of them close to the window's edge. */
const gaps = fc.array(
  fc.oneof(fc.nat({ max: 300_000 }), fc.integer({ min: windowUs - 2, max: windowUs + 2 })),
  { maxLength: 200 },
);

function replay(steps: readonly number[]) {
  let now = 1_700_000_000_000_000;
  let admissions: readonly number[] = [];
  return steps.map((gap) => {
    now += gap;
    const before = admissions;
    const step = decideWindow(admissions, now, limit);
    admissions = step.admissions;
    return { now, before, ...step };
  });
}

describe('exact window', () => {
  it('admits a request exactly when fewer than the limit were admitted in the window before it', () => {
    fc.assert(
      fc.property(gaps, (steps) => {
        const admitted: number[] = [];
        for (const { now, decision } of replay(steps)) {
          const counted = admitted.filter((at) => now - at < windowUs).length;
          expect(decision.admitted).toBe(counted < limit.limit);
          if (decision.admitted) admitted.push(now);
          expect(decision.remaining).toBe(limit.limit - counted - (decision.admitted ? 1 : 0));
        }
      }),
    );
  });

  it('lets a refusal consume nothing, and admits the one that waits as told but not earlier', () => {
    fc.assert(
      fc.property(gaps, (steps) => {
        for (const { now, decision, admissions, before } of replay(steps)) {
          if (decision.admitted) continue;
          expect(admissions).toEqual(before.filter((at) => now - at < windowUs));
          const at = now + decision.resetUs;
          expect(decideWindow(admissions, at, limit).decision.admitted).toBe(true);
          expect(decideWindow(admissions, at - 1, limit).decision.admitted).toBe(false);
        }
      }),
    );
  });

  it('does not open the window again when the clock steps back', () => {
    const full = replay([0, 0, 0, 0, 0]).at(-1)!;
    const step = decideWindow(full.admissions, full.now - 10 * windowUs, limit);
    expect(step.decision).toEqual({ admitted: false, remaining: 0, resetUs: windowUs });
  });
});

describe('limit headers', () => {
  it('rounds the wait up, so that a client that obeys is never early', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60_000_000 }), (us) => {
        expect(Number.isInteger(waitSeconds(us))).toBe(true);
        expect(waitSeconds(us) * 1e6).toBeGreaterThanOrEqual(us);
        expect((waitSeconds(us) - 1) * 1e6).toBeLessThan(us);
      }),
    );
  });

  it('are structured fields, with Retry-After only on a refusal', () => {
    const policy = { limit: 100, windowMs: 60_000 };
    expect(
      limitHeaders('user', policy, { admitted: true, remaining: 7, resetUs: 1_000_001 }),
    ).toEqual({
      'ratelimit-policy': '"user";q=100;w=60',
      ratelimit: '"user";r=7;t=2',
    });
    const refused = limitHeaders('user', policy, {
      admitted: false,
      remaining: 0,
      resetUs: 59_000_000,
    });
    expect(refused['retry-after']).toBe('59');
    expect(refused.ratelimit).toBe('"user";r=0;t=59');
  });
});
