import { describe, expect, it } from 'vitest';
import { nextPopulation, populationFor } from './calibration.ts';

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
  it('keeps a population that is already at the target', () => {
    const seen = { users: 147, completedPerSecond: 13.53, utilisation: 0.92, meanResponseMs: 850 };
    expect(nextPopulation(target, seen, 850).users).toBe(147);
  });

  it('corrects the service time from a saturated window as well as from a light one', () => {
    // 10 a second fill the core: 100 ms each, so 9.2 a second are wanted; R is between 3,000 and 850 ms.
    const saturated = { users: 147, completedPerSecond: 10, utilisation: 1, meanResponseMs: 3_000 };
    expect(nextPopulation(target, saturated, 850).users).toBe(Math.round(9.2 * 11.925));
    const light = { users: 20, completedPerSecond: 2, utilisation: 0.1, meanResponseMs: 60 };
    expect(nextPopulation(target, light, 850).users).toBe(Math.round(18.4 * 10.455));
  });

  it('changes nothing on a window without data', () => {
    const empty = { users: 50, completedPerSecond: 0, utilisation: 0, meanResponseMs: 0 };
    expect(nextPopulation(target, empty, 850)).toEqual({ users: 50, capped: true });
  });
});
