import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isoFromUs, timeOrderedId } from './ports.ts';

const us = fc.integer({ min: 0, max: 4_000_000_000_000_000 });

describe('time as text', () => {
  it('keeps microseconds', () => {
    expect(isoFromUs(1_795_231_395_123_456)).toBe('2026-11-21T03:23:15.123456Z');
  });

  it('sorts as the numbers do', () => {
    fc.assert(
      fc.property(us, us, (a, b) => {
        expect(isoFromUs(a) < isoFromUs(b)).toBe(a < b);
      }),
    );
  });
});

describe('time-ordered id', () => {
  it('is a version 7 UUID that sorts by millisecond', () => {
    fc.assert(
      fc.property(us, us, fc.uuid({ version: 4 }), fc.uuid({ version: 4 }), (a, b, x, y) => {
        const [first, second] = [timeOrderedId(a, x), timeOrderedId(b, y)];
        expect(first).toMatch(
          /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
        );
        if (Math.floor(a / 1e3) < Math.floor(b / 1e3)) expect(first < second).toBe(true);
      }),
    );
  });
});
