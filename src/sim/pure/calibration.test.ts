import { describe, expect, it } from 'vitest';
import { type CalibrationWindow, nextPopulation, populationFor } from './calibration.ts';

const target = { utilisation: 0.92, thinkMeanMs: 10_000, minUsers: 1, maxUsers: 1_000 };

describe('populationFor', () => {
  it('is the interactive response time law: N = U / S x (Z + R)', () => {
    // 0.92 / 68 ms = 13.53 a second; 13.53 x 10.85 s = 146.8 users
    expect(populationFor(target, 68, 850)).toEqual({ users: 147, capped: false });
  });

  it('says when the bounds, not the law, decided', () => {
    expect(populationFor(target, 1, 850)).toEqual({ users: 1_000, capped: true });
    expect(populationFor({ ...target, minUsers: 20 }, 10_000, 850)).toEqual({
      users: 20,
      capped: true,
    });
  });
});

describe('nextPopulation', () => {
  const window = (fields: Partial<CalibrationWindow>): CalibrationWindow => ({
    ...{ users: 147, seconds: 8, completedPerSecond: 13.53, utilisation: 0.92 },
    meanResponseMs: 850,
    ...fields,
  });

  it('keeps a population that is already at the target', () => {
    expect(nextPopulation(target, [window({})], 850).users).toBe(147);
  });

  it('corrects the service time from a saturated window as well as from a light one', () => {
    // 10 a second fill the core: 100 ms each, so 9.2 a second are wanted; R is between 3,000 and 850 ms.
    const saturated = window({ completedPerSecond: 10, utilisation: 1, meanResponseMs: 3_000 });
    expect(nextPopulation(target, [saturated], 850).users).toBe(Math.round(9.2 * 11.925));
    const light = window({ completedPerSecond: 2, utilisation: 0.1, meanResponseMs: 60 });
    expect(nextPopulation(target, [light], 850).users).toBe(Math.round(18.4 * 10.455));
  });

  it('takes CPU per operation from all windows together', () => {
    // 8 s x 0.8 + 2 s x 1.0 = 8.4 s of CPU for 80 + 4 operations: 100 ms each.
    const long = window({ completedPerSecond: 10, utilisation: 0.8 });
    const odd = window({ seconds: 2, completedPerSecond: 2, utilisation: 1 });
    expect(nextPopulation(target, [long, odd], 850).users).toBe(Math.round(9.2 * 10.85));
  });

  it('changes nothing on windows without data', () => {
    const empty = window({ users: 50, completedPerSecond: 0, utilisation: 0, meanResponseMs: 0 });
    expect(nextPopulation(target, [empty], 850)).toEqual({ users: 50, capped: true });
  });
});
