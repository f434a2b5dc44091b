import { describe, expect, it } from 'vitest';
import { type LoadSample, populationFor, ServiceTimeEstimator } from './calibration.ts';

const target = {
  utilisation: 0.92,
  thinkMeanMs: 10_000,
  responseMeanMs: 850,
  minUsers: 1,
  maxUsers: 1_000,
};

describe('populationFor', () => {
  it('is the interactive response time law: N = U / S x (Z + R)', () => {
    // 0.92 / 68 ms = 13.53 a second; 13.53 x 10.85 s = 146.8 users
    expect(populationFor(target, 68)).toEqual({ users: 147, isCapped: false });
  });

  it('says when the bounds, not the law, decided', () => {
    const atMaximum = { users: 1_000, isCapped: true };
    expect(populationFor(target, 1)).toEqual(atMaximum);
    const atMinimum = { users: 20, isCapped: true };
    expect(populationFor({ ...target, minUsers: 20 }, 10_000)).toEqual(atMinimum);
  });
});

describe('ServiceTimeEstimator', () => {
  const stretch = (fields: Partial<LoadSample>): LoadSample => ({
    seconds: 1,
    completed: 14,
    busySeconds: 0.92,
    ...fields,
  });
  const usersAfter = (...stretches: LoadSample[]) => {
    const memory = new ServiceTimeEstimator(5);
    for (const seen of stretches) memory.add(seen);
    const serviceMs = memory.serviceMs();
    return serviceMs === null ? null : populationFor(target, serviceMs);
  };

  it('finds the same service time under light and under saturated load', () => {
    // 100 ms each: 9.2 a second are wanted, by users who take 10.85 s for a round.
    const light = stretch({ seconds: 10, completed: 10, busySeconds: 1 });
    const saturated = stretch({ completed: 10, busySeconds: 1 });
    for (const seen of [light, saturated]) expect(usersAfter(seen)?.users).toBe(100);
  });

  it('follows a machine that becomes slower, and forgets how it was', () => {
    const fast = Array.from({ length: 20 }, () => stretch({ completed: 14, busySeconds: 0.7 }));
    const slow = Array.from({ length: 20 }, () => stretch({ completed: 9, busySeconds: 0.9 }));
    // 50 ms, then 100 ms: half the users. What is older than 20 s weighs e^-4.
    const [before, now] = [usersAfter(...fast)!.users, usersAfter(...fast, ...slow)!.users];
    expect(before).toBe(Math.round((0.92 / 0.05) * 10.85));
    expect(Math.abs(now / before - 0.5)).toBeLessThan(0.02);
  });

  it('gives null below the minimum of operations', () => {
    expect(usersAfter()).toBeNull();
    expect(usersAfter(stretch({ completed: 4 }))).toBeNull();
    expect(usersAfter(stretch({ busySeconds: 0 }))).toBeNull();
  });
});
