import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crowding, type Taken } from './crowding.ts';

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
      ({ fromUs, lengthUs, weight }, index): Taken => ({
        ...{ requestId: `r${index}`, fromUs, toUs: fromUs + lengthUs, weight },
      }),
    ),
  );

/** The same by its definition: every window that ends at a unit, every unit that lies in it for certain. */
function fullest(units: readonly Taken[]): number {
  const inside = ({ toUs: endUs }: Taken) =>
    units
      .filter(({ fromUs, toUs }) => fromUs > endUs - WINDOW_US && toUs <= endUs)
      .reduce((sum, { weight }) => sum + weight, 0);
  return Math.max(0, ...units.map(inside));
}

describe('crowding', () => {
  it('finds the fullest window, whatever the order and however long the intervals', () => {
    fc.assert(
      fc.property(taken, (units) => {
        expect(crowding(units, { limit: 5, windowUs: WINDOW_US }).worst).toBe(fullest(units));
      }),
    );
  });

  it('has no excess exactly when no window has more than the limit', () => {
    fc.assert(
      fc.property(taken, fc.integer({ min: 1, max: 20 }), (units, limit) => {
        const { worst, excess } = crowding(units, { limit, windowUs: WINDOW_US });
        expect(excess > 0).toBe(worst > limit);
      }),
    );
  });

  it('names the ends of the fullest window', () => {
    const at = (us: number): Taken => ({ requestId: `${us}`, weight: 1, fromUs: us, toUs: us });
    const { worst, excess, ends } = crowding([0, 100, 150, 199, 200, 900].map(at), {
      limit: 2,
      windowUs: WINDOW_US,
    });
    // A unit of instant t is counted while now - t < W: 100 has left when 200 comes.
    expect({ worst, excess, first: ends?.first.fromUs, last: ends?.last.toUs }).toEqual({
      ...{ worst: 3, excess: 2, first: 100, last: 199 },
    });
  });
});
