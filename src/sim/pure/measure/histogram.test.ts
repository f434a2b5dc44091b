import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom, exponential } from '../random.ts';
import { LatencyHistogram, summarize } from './histogram.ts';

/** Log-uniform over the whole range, because real latencies span it and bugs hide at bucket edges. */
const latencyUs = fc
  .double({ min: 0, max: Math.log(6e8), noNaN: true })
  .map((x) => Math.floor(Math.exp(x)));
const latencies = fc.array(fc.oneof(latencyUs, fc.nat(3)), { minLength: 1, maxLength: 400 });
const filled = (values: number[]) => {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
};
const exact = (values: number[], quantile: number) =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(quantile * values.length - 1e-9) - 1)]!;

describe('LatencyHistogram', () => {
  it('is within 0.1 % or 1 us of the sorted values at every quantile', () => {
    fc.assert(
      fc.property(latencies, fc.double({ min: 0, max: 1, noNaN: true }), (values, any) => {
        const histogram = filled(values);
        for (const quantile of [0, 0.5, 0.9, 0.95, 0.975, 0.99, 0.999, 1, any]) {
          const truth = exact(values, quantile);
          const error = Math.abs(histogram.quantile(quantile)! - truth);
          expect(error).toBeLessThanOrEqual(Math.max(1, truth * 0.001));
        }
      }),
    );
  });

  it('never contradicts itself: p50 <= p95 <= p99 <= p99.9 <= max, mean and max exact', () => {
    fc.assert(
      fc.property(latencies, (values) => {
        const { meanUs, p50Us, p95Us, p99Us, p999Us, maxUs, count } = summarize(values);
        expect(p50Us).toBeLessThanOrEqual(p95Us);
        expect(p95Us).toBeLessThanOrEqual(p99Us);
        expect(p99Us).toBeLessThanOrEqual(p999Us);
        expect(p999Us).toBeLessThanOrEqual(maxUs);
        expect(maxUs).toBe(Math.max(...values));
        expect(meanUs).toBe(Math.round(values.reduce((a, b) => a + b, 0) / values.length));
        expect(count).toBe(values.length);
      }),
    );
  });

  it('merges parts into the whole', () => {
    fc.assert(
      fc.property(latencies, latencies, (left, right) => {
        const merged = filled(left);
        merged.merge(filled(right));
        expect(merged.summary()).toEqual(filled([...left, ...right]).summary());
        expect(merged.spectrum()).toEqual(filled([...left, ...right]).spectrum());
      }),
    );
  });

  it('is empty again after reset', () => {
    fc.assert(
      fc.property(latencies, latencies, (before, after) => {
        const histogram = filled(before);
        histogram.reset();
        expect(histogram.quantile(0.5)).toBeNull();
        for (const value of after) histogram.record(value);
        expect(histogram.summary()).toEqual(filled(after).summary());
      }),
    );
  });

  it('draws a spectrum that rises to the maximum', () => {
    fc.assert(
      fc.property(latencies, (values) => {
        const points = filled(values).spectrum();
        for (const [index, point] of points.slice(1).entries()) {
          expect(point.quantile).toBeGreaterThan(points[index]!.quantile);
          expect(point.valueUs).toBeGreaterThanOrEqual(points[index]!.valueUs);
        }
        expect(points.at(-1)).toEqual({ quantile: 1, valueUs: Math.max(...values) });
      }),
    );
  });

  it('has no answer without data', () => {
    const histogram = new LatencyHistogram();
    expect(histogram.quantile(0.99)).toBeNull();
    expect(histogram.spectrum()).toEqual([]);
    expect(histogram.summary().count).toBe(0);
  });

  it('keeps the true maximum beyond 10 minutes and refuses a negative latency', () => {
    const histogram = filled([1, 900_000_000]);
    expect(histogram.summary().maxUs).toBe(900_000_000);
    expect(() => histogram.record(-1)).toThrow(/negative/);
    expect(() => histogram.record(Number.NaN)).toThrow(/negative/);
  });

  it('holds a million values in the memory of one', () => {
    const random = createRandom(1);
    const histogram = new LatencyHistogram();
    histogram.record(1);
    const before = process.memoryUsage().arrayBuffers;
    for (let index = 0; index < 1_000_000; index += 1) histogram.record(exponential(random, 5_000));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
    expect(histogram.quantile(0.5)! / (5_000 * Math.LN2)).toBeCloseTo(1, 1);
  });
});
