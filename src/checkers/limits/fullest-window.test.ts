import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findFullestWindow, type TimedUnits } from './fullest-window.ts';

const WINDOW_US = 100;
const taken = fc
  .array(
    fc.record({
      fromUs: fc.nat(600),
      lengthUs: fc.nat(40),
      weight: fc.integer({ min: 1, max: 4 }),
    }),
    { maxLength: 40 },
  )
  .map((all) =>
    all.map(
      ({ fromUs, lengthUs, weight }, index): TimedUnits => ({
        requestId: `r${index}`,
        fromUs,
        toUs: fromUs + lengthUs,
        weight,
      }),
    ),
  );

/** By the definition: every window that ends at a unit, with the units that are certainly in it. */
function fullest(units: readonly TimedUnits[]): number {
  const inside = ({ toUs: endUs }: TimedUnits) =>
    units
      .filter(({ fromUs, toUs }) => fromUs > endUs - WINDOW_US && toUs <= endUs)
      .reduce((sum, { weight }) => sum + weight, 0);
  return Math.max(0, ...units.map(inside));
}

describe('findFullestWindow', () => {
  it('finds the fullest window, whatever the order and however long the intervals', () => {
    fc.assert(
      fc.property(taken, (units) => {
        expect(findFullestWindow(units, { limit: 5, windowUs: WINDOW_US }).maxUnits).toBe(
          fullest(units),
        );
      }),
    );
  });

  it('has no excess exactly when no window has more than the limit', () => {
    fc.assert(
      fc.property(taken, fc.integer({ min: 1, max: 20 }), (units, limit) => {
        const { maxUnits, excess } = findFullestWindow(units, { limit, windowUs: WINDOW_US });
        expect(excess > 0).toBe(maxUnits > limit);
      }),
    );
  });

  it('names the ends of the fullest window', () => {
    const at = (us: number): TimedUnits => ({
      requestId: `${us}`,
      weight: 1,
      fromUs: us,
      toUs: us,
    });
    const { maxUnits, excess, ends } = findFullestWindow([0, 100, 150, 199, 200, 900].map(at), {
      limit: 2,
      windowUs: WINDOW_US,
    });
    // A unit at t counts while now - t < W: the one at 100 has expired when 200 comes.
    expect({ maxUnits, excess, first: ends?.first.fromUs, last: ends?.last.toUs }).toEqual({
      maxUnits: 3,
      excess: 2,
      first: 100,
      last: 199,
    });
  });
});
