import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { arrivalTimes, durationMs, expectedArrivals } from './arrivals.ts';
import type { OpenWorkload } from './workload.ts';

const bursts = (part: Partial<OpenWorkload>): OpenWorkload => ({
  kind: 'open',
  arrivals: 'bursts',
  burstEveryMs: 1_000,
  operations: [],
  stages: [{ ratePerSecond: 10, durationMs: 3_000 }],
  ...part,
});
/** How many come when, in ms. */
function counts(workload: OpenWorkload): Record<number, number> {
  const found: Record<number, number> = {};
  for (const us of arrivalTimes(workload, createRandom(1))) {
    found[us / 1000] = (found[us / 1000] ?? 0) + 1;
  }
  return found;
}

describe('bursts', () => {
  it('bring a period of arrivals at its start', () => {
    expect(counts(bursts({}))).toEqual({ 0: 10, 1000: 10, 2000: 10 });
  });

  it('come later by the offset, as many', () => {
    expect(counts(bursts({ burstOffsetMs: 900 }))).toEqual({ 900: 10, 1900: 10, 2900: 10 });
    // A last one that would come after the end comes at it.
    const cut = bursts({ burstOffsetMs: 900, stages: [{ ratePerSecond: 10, durationMs: 2_500 }] });
    expect(counts(cut)).toEqual({ 900: 10, 1900: 10, 2500: 5 });
  });

  it('carry the fraction of a rate on to the next', () => {
    // 2.5 a period: arrivals 0, 1, 2 are due in the first, 3 and 4 in the second.
    expect(counts(bursts({ stages: [{ ratePerSecond: 2.5, durationMs: 4_000 }] }))).toEqual({
      0: 3,
      1000: 2,
      2000: 3,
      3000: 2,
    });
  });

  it('leave out the periods of a silent stage', () => {
    const stages = [0, 4, 0, 4].map((ratePerSecond) => ({ ratePerSecond, durationMs: 1_000 }));
    expect(counts(bursts({ stages }))).toEqual({ 1000: 4, 3000: 4 });
  });

  it('are exactly the expected arrivals, each at the burst of its period', () => {
    const stage = fc.record({
      ratePerSecond: fc.double({ min: 0, max: 200, noNaN: true }),
      endRatePerSecond: fc.double({ min: 0, max: 200, noNaN: true }),
      durationMs: fc.integer({ min: 1, max: 5_000 }),
    });
    fc.assert(
      fc.property(
        fc.array(stage, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 2_000 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        (stages, burstEveryMs, part) => {
          const burstOffsetMs = Math.floor(burstEveryMs * part);
          const workload = bursts({ stages, burstEveryMs, burstOffsetMs });
          const at = [...arrivalTimes(workload, createRandom(1))];
          const even = [...arrivalTimes({ ...workload, arrivals: 'constant' }, createRandom(1))];
          expect(at).toHaveLength(Math.ceil(expectedArrivals(workload) - 1e-9));
          expect(at.every(Number.isSafeInteger)).toBe(true);
          const endUs = durationMs(workload) * 1000;
          for (const [index, us] of at.entries()) {
            const periodUs = us - burstOffsetMs * 1000;
            if (us < endUs) expect(periodUs % (burstEveryMs * 1000)).toBe(0);
            else expect(us).toBe(endUs);
            if (us === endUs) continue;
            // Due within the period, give or take the last bit of the inverse.
            expect(even[index]! + 1).toBeGreaterThanOrEqual(periodUs);
            expect(even[index]!).toBeLessThan(periodUs + burstEveryMs * 1000);
          }
        },
      ),
    );
  });
});
