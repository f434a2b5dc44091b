import fc from 'fast-check';
import { parseList } from 'structured-headers';
import { describe, expect, it } from 'vitest';
import type { LevelState } from './contract.ts';
import { limitHeaders, waitSeconds } from './headers.ts';

const user: LevelState = {
  policy: 'user',
  admitted: true,
  shadow: false,
  limit: 100,
  windowMs: 60_000,
  remaining: 7,
  resetUs: 1_000_001,
};
const answer = (levels: readonly LevelState[]) => ({
  admitted: levels.every(({ admitted, shadow }) => admitted || shadow),
  levels,
});
/** The field as a client parses it: name to parameters. */
const parsed = (field: string | undefined) =>
  parseList(field ?? '').map(([name, parameters]) => [name, Object.fromEntries(parameters)]);

const states: fc.Arbitrary<LevelState> = fc.record({
  policy: fc.constantFrom('user', 'organisation', 'login-account', 'a "quoted\\" name'),
  admitted: fc.boolean(),
  shadow: fc.boolean(),
  limit: fc.integer({ min: 1, max: 10_000 }),
  windowMs: fc.constantFrom(0, 200, 2_000, 60_000, 3_600_000),
  remaining: fc.nat({ max: 10_000 }),
  resetUs: fc.nat({ max: 3_600_000_000 }),
});

describe('limit headers', () => {
  it('list every level that is enforced, as structured fields', () => {
    fc.assert(
      fc.property(fc.array(states, { maxLength: 5 }), fc.boolean(), (levels, legacy) => {
        const headers = limitHeaders(answer(levels), { legacy });
        const enforced = levels.filter(({ shadow }) => !shadow);
        expect(parsed(headers['ratelimit-policy'])).toEqual(
          enforced.map(({ policy, limit, windowMs }) => [
            policy,
            windowMs === 0
              ? { q: limit, qu: 'concurrent-requests' }
              : { q: limit, w: Math.ceil(windowMs / 1_000) },
          ]),
        );
        expect(parsed(headers.ratelimit)).toEqual(
          enforced.map(({ policy, remaining, resetUs }) => [
            policy,
            { r: remaining, t: waitSeconds(resetUs) },
          ]),
        );
      }),
    );
  });

  it('look as in the draft', () => {
    const search = { ...user, policy: 'search', limit: 5, windowMs: 0, remaining: 4, resetUs: 0 };
    expect(limitHeaders(answer([user, search]))).toEqual({
      'ratelimit-policy': '"user";q=100;w=60, "search";q=5;qu="concurrent-requests"',
      ratelimit: '"user";r=7;t=2, "search";r=4;t=0',
    });
  });

  it('set Retry-After: never early, whole seconds, spread over a tenth of the window', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.array(states, { maxLength: 5 }), random, (levels, spread) => {
        const refusing = levels.filter(({ admitted, shadow }) => !admitted && !shadow);
        const retryAfter = limitHeaders(answer(levels), { random: spread })['retry-after'];
        if (refusing.length === 0) {
          expect(retryAfter).toBeUndefined();
          return;
        }
        expect(retryAfter).toMatch(/^[1-9]\d*$/);
        const waitUs = Number(retryAfter) * 1e6;
        for (const { resetUs } of refusing) {
          expect(waitUs).toBeGreaterThanOrEqual(resetUs);
          expect(Number(retryAfter)).toBeGreaterThanOrEqual(waitSeconds(resetUs)); // The draft's rule.
        }
        const latest = refusing.map(
          ({ resetUs, windowMs }) => resetUs + Math.max(1e6, windowMs * 100) + 1e6,
        );
        expect(waitUs).toBeLessThanOrEqual(Math.max(...latest));
      }),
    );
  });

  it('spread the retries of clients refused together', () => {
    const refused = answer([{ ...user, admitted: false, remaining: 0, resetUs: 30_000_000 }]);
    const waits = Array.from({ length: 1_000 }, (_, i) =>
      Number(limitHeaders(refused, { random: i / 1_000 })['retry-after']),
    );
    expect(new Set(waits).size).toBe(7);
    expect([Math.min(...waits), Math.max(...waits)]).toEqual([30, 36]);
  });

  it('include X-RateLimit fields on request, of the level nearest to refusing', () => {
    const organisation = { ...user, policy: 'organisation', limit: 500, remaining: 3 };
    expect(limitHeaders(answer([user, organisation]), { legacy: true })).toMatchObject({
      'x-ratelimit-limit': '500',
      'x-ratelimit-remaining': '3',
      'x-ratelimit-reset': '2',
    });
    const refused = { ...user, admitted: false, remaining: 8 };
    expect(limitHeaders(answer([refused, organisation]), { legacy: true })).toMatchObject({
      'x-ratelimit-limit': '100',
    });
  });

  it('are left out where no level is enforced', () => {
    expect(limitHeaders(answer([{ ...user, shadow: true, admitted: false }]))).toEqual({});
    expect(limitHeaders(answer([]))).toEqual({});
  });
});
