import { describe, expect, it } from 'vitest';
import { turn4Result } from '../../report/fixtures/turn4-result.ts';
import type { Result } from '../../sim/result.ts';
import { formatRepeats, median } from './repeat-summary.ts';

function withMean(meanUs: number): Result {
  const before = turn4Result.arms.before!;
  return {
    ...turn4Result,
    arms: { before: { ...before, latency: { ...before.latency, meanUs }, capacity: null } },
  };
}

describe('formatRepeats', () => {
  it('shows median, least and most of each figure that was measured', () => {
    const text = formatRepeats([withMean(900_000), withMean(700_000), withMean(800_000)], 80);
    expect(text).toMatch(/^before mean +800 ms +700 ms +900 ms +3$/m);
    expect(text).not.toContain('after');
    expect(text).not.toContain('holds');
  });
});

describe('median', () => {
  it.each([
    [[5], 5],
    [[1, 3], 2],
    [[1, 2, 9], 2],
    [[1, 2, 4, 9], 3],
  ])('of %j is %s', (sorted, expected) => expect(median(sorted)).toBe(expected));
});
