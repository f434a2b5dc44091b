import { describe, expect, it } from 'vitest';
import { clockSince, monotonicUs, wallClockAtOrigin } from './monotonic-clock.ts';

describe('the wall clock at the origin of a clock', () => {
  it('is the time at which the clock was zero, however late it is read', () => {
    const now = Date.now();
    for (const agoUs of [0, 250_000, 90_000_000]) {
      const originMs = wallClockAtOrigin(clockSince(monotonicUs() - agoUs)).getTime();
      expect(Math.abs(originMs - (now - agoUs / 1_000))).toBeLessThan(50);
    }
  });

  it('uses the reading that was interrupted least', () => {
    // Each first reading of a pair is 40 ms old, but for the fourth.
    let reading = 0;
    const startMs = Date.now();
    const nowUs = () => {
      reading += 1;
      const isOld = reading % 2 === 1 && reading !== 7;
      return (Date.now() - startMs) * 1_000 - (isOld ? 40_000 : 0);
    };
    expect(Math.abs(wallClockAtOrigin(nowUs).getTime() - startMs)).toBeLessThan(20);
  });
});
