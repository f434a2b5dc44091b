import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { turn4Result } from '../fixtures/turn4-result.ts';
import {
  downsampleCounts,
  downsampleHeatMap,
  downsamplePoints,
  downsampleValues,
  mergeFactor,
} from './downsample.ts';

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const { timeline, heatMap } = turn4Result.arms.before!;

describe('downsampling', () => {
  it('leaves a short series as it is', () => {
    expect(downsamplePoints(timeline.points, 75)).toBe(timeline.points);
    expect(downsampleHeatMap(heatMap!)).toBe(heatMap);
  });

  it('keeps the sum of counts and stays within the limit', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000)), fc.integer({ min: 1, max: 50 }), (counts, limit) => {
        const thin = downsampleCounts(counts, limit);
        expect(thin.length).toBeLessThanOrEqual(limit);
        expect(sum(thin)).toBe(sum(counts));
      }),
    );
  });

  it('keeps the worst latency and every error', () => {
    const thin = downsamplePoints(timeline.points, 10);
    const worst = (points: typeof thin) => Math.max(...points.map((point) => point.p99Us ?? 0));
    expect(thin.length).toBeLessThanOrEqual(10);
    expect(worst(thin)).toBe(worst(timeline.points));
    expect(sum(thin.map((point) => point.errors))).toBe(6);
    expect(thin[1]!.atUs).toBe(mergeFactor(timeline.points.length, 10) * 1_000_000);
  });

  it('averages known values and keeps gaps', () => {
    expect(downsampleValues([1, 3, null, 5, null, null], 3)).toEqual([2, 5, null]);
  });

  it('keeps every operation of a heat map', () => {
    const thin = downsampleHeatMap(heatMap!, 20);
    expect(thin.columns).toBe(19);
    expect(thin.bucketUs).toBe(4_000_000);
    expect(thin.counts.map(sum)).toEqual(heatMap!.counts.map(sum));
  });
});
