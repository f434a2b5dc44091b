import { describe, expect, it } from 'vitest';
import { smallestRateFigure, smallestRateSeen } from './smallest-rate.ts';

describe('the rule of three', () => {
  it('gives a rate that is missed with a probability of 5 %', () => {
    for (const count of [100, 2_000, 60_000]) {
      const missed = (1 - smallestRateSeen(count, 0)!) ** count;
      expect(missed).toBeGreaterThan(0.045);
      expect(missed).toBeLessThanOrEqual(0.05);
    }
  });

  it('says nothing of a check that saw something, or looked at nothing', () => {
    expect(smallestRateSeen(2_000, 1)).toBeNull();
    expect(smallestRateSeen(0, 0)).toBeNull();
    expect(smallestRateSeen(2, 0)).toBe(1);
  });

  it('is a figure for the report', () => {
    expect(smallestRateFigure('id', 'lost records', { checked: 6_000, violations: 0 })).toEqual({
      id: 'id',
      label: 'detectable rate of lost records (95 %)',
      value: 0.0005,
      unit: 'ratio',
    });
  });
});
