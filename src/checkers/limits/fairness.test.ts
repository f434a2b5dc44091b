import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jainIndex, maxMinShares } from './fairness.ts';

const amounts = fc.array(fc.nat({ max: 1_000 }), { minLength: 1, maxLength: 60 });
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

describe('Jain index', () => {
  it('is 1 for equal parts and 1/n when one has everything', () => {
    expect(jainIndex([7, 7, 7])).toBe(1);
    expect(jainIndex([0, 0, 9, 0])).toBe(0.25);
    expect(jainIndex([1, 3])).toBe(0.8);
  });

  it('is 1 where nothing was divided', () => {
    expect(jainIndex([])).toBe(1);
    expect(jainIndex([0, 0])).toBe(1);
  });

  it('lies between 1/n and 1, whatever the scale', () => {
    fc.assert(
      fc.property(amounts, (values) => {
        const index = jainIndex(values);
        expect(index).toBeGreaterThanOrEqual(1 / values.length - 1e-9);
        expect(index).toBeLessThanOrEqual(1 + 1e-9);
        expect(jainIndex(values.map((value) => value * 3))).toBeCloseTo(index, 9);
      }),
    );
  });
});

describe('max-min shares', () => {
  it('give the modest what they ask and divide the rest evenly', () => {
    expect(maxMinShares([2, 2.6, 4, 5], 10)).toEqual([2, 2.6, 2.7, 2.7]);
    expect(maxMinShares([50, 1, 50], 11)).toEqual([5, 1, 5]);
    expect(maxMinShares([1, 2], 10)).toEqual([1, 2]);
    expect(maxMinShares([], 10)).toEqual([]);
    expect(maxMinShares([3], -1)).toEqual([0]);
  });

  it('use the capacity, exceed no demand, and leave only the richest wanting', () => {
    fc.assert(
      fc.property(amounts, fc.nat({ max: 20_000 }), (demands, capacity) => {
        const shares = maxMinShares(demands, capacity);
        expect(sum(shares)).toBeCloseTo(Math.min(capacity, sum(demands)), 6);
        const most = Math.max(...shares);
        for (const [i, share] of shares.entries()) {
          expect(share).toBeLessThanOrEqual(demands[i]! + 1e-9);
          if (share < demands[i]! - 1e-9) expect(share).toBeCloseTo(most, 6);
        }
      }),
    );
  });
});
