import { expect, it } from 'vitest';
import { createRecentCounts } from './recent-counts.ts';

it('counts the last minute, whoever reads it and how often', () => {
  let nowMs = 5_000;
  const counts = createRecentCounts(2, () => nowMs);
  counts.add(0);
  counts.add(1);
  nowMs = 30_000;
  counts.add(1);
  for (let reader = 0; reader < 3; reader += 1) expect(counts.sums()).toEqual([1, 2]);
  nowMs = 59_999;
  expect(counts.sums()).toEqual([1, 2]);
  nowMs = 60_000;
  expect(counts.sums()).toEqual([0, 1]);
  nowMs = 1e9;
  expect(counts.sums()).toEqual([0, 0]);
  counts.add(0);
  expect(counts.sums()).toEqual([1, 0]);
});
