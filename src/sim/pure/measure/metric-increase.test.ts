import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricRecord } from '../../history.ts';
import { type Bucket, metricIncrease, quantileIn } from './metric-increase.ts';

const record = (
  process: string,
  counts?: Record<string, number>,
  phase = 'calm',
): MetricRecord => ({
  kind: 'metric',
  name: 'wait_seconds',
  phase,
  process,
  ...(counts && { counts }),
});
const one = record('a', { '0.01': 3, Infinity: 4 });

describe('metricIncrease', () => {
  it('adds up processes and phases, and leaves out other histograms and phases', () => {
    const history = [
      one,
      record('b', { '0.01': 1, Infinity: 1 }),
      record('a', { Infinity: 2 }, 'final'),
      { ...one, name: 'other' },
      record('a', { '0.01': 100 }, 'storm'),
    ];
    expect(metricIncrease(history, 'wait_seconds', ['calm', 'final'])).toEqual({
      buckets: [
        [10_000, 4],
        [Number.POSITIVE_INFINITY, 7],
      ],
      gap: null,
    });
  });

  it.each([
    ['a process died', [one, record('b')], 'b could not be read from the beginning to the end'],
    ['a phase was not read', [record('a', { Infinity: 1 }, 'final')], 'was not read in calm'],
    ['nothing was read', [], 'wait_seconds was not read in calm'],
    ['a process has none', [one, record('b', {})], 'b has no histogram wait_seconds'],
  ])('is no measurement where %s', (_, history, gap) => {
    expect(metricIncrease(history, 'wait_seconds', ['calm']).gap).toContain(gap);
  });
});

describe('quantileIn', () => {
  it('brackets the exact quantile', () => {
    const bounds = [1, 2, 5, 10, 25, 50, Number.POSITIVE_INFINITY];
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0.5, 0.95, 0.99),
        (values, quantile) => {
          const sorted = values.toSorted((a, b) => a - b);
          const right = sorted[Math.ceil(quantile * values.length) - 1]!;
          const buckets = bounds.map(
            (upper): Bucket => [upper, values.filter((value) => value <= upper).length],
          );
          const { lower, upper, value } = quantileIn(buckets, quantile)!;
          expect(right > lower && right <= upper).toBe(true);
          expect(value >= lower && value <= upper).toBe(true);
        },
      ),
    );
  });

  it('is null without observations', () => {
    expect(quantileIn([], 0.5)).toBeNull();
    expect(quantileIn([[1, 0]], 0.5)).toBeNull();
  });
});
