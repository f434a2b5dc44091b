/**
 * Keeps charts of long runs small: adjacent buckets are merged until at most `limit` remain. Rates are averaged,
 * latencies and in-flight keep the maximum, counts are added.
 */
import type { HeatMap, TimelinePoint } from '../../sim/result.ts';

/** Of a heat map. The same at every width, because all heat maps share one scale. */
export const MAX_COLUMNS = 120;

/** The least width of a bucket. */
const PIXELS_PER_BUCKET = 3;

export function maxBuckets(plotWidth: number): number {
  return Math.max(1, Math.floor(plotWidth / PIXELS_PER_BUCKET));
}

export function mergeFactor(buckets: number, limit: number): number {
  return Math.max(1, Math.ceil(buckets / limit));
}

export function downsamplePoints(
  points: readonly TimelinePoint[],
  limit: number,
): readonly TimelinePoint[] {
  const factor = mergeFactor(points.length, limit);
  if (factor === 1) return points;
  return splitIntoChunks(points, factor).map((part) => ({
    atUs: part[0]!.atUs,
    offeredPerSecond: mean(part.map((point) => point.offeredPerSecond)),
    completedPerSecond: mean(part.map((point) => point.completedPerSecond)),
    p50Us: worstOf(part.map((point) => point.p50Us)),
    p99Us: worstOf(part.map((point) => point.p99Us)),
    inFlight: Math.max(...part.map((point) => point.inFlight)),
    errors: sum(part.map((point) => point.errors)),
  }));
}

export function downsampleCounts(counts: readonly number[], limit: number): readonly number[] {
  return splitIntoChunks(counts, mergeFactor(counts.length, limit)).map(sum);
}

/** Means without the nulls. */
export function downsampleValues(
  values: readonly (number | null)[],
  limit: number,
): readonly (number | null)[] {
  return splitIntoChunks(values, mergeFactor(values.length, limit)).map((part) => {
    const known = part.filter((value) => value !== null);
    return known.length === 0 ? null : mean(known);
  });
}

export function downsampleHeatMap(map: HeatMap, limit = MAX_COLUMNS): HeatMap {
  const factor = mergeFactor(map.columns, limit);
  if (factor === 1) return map;
  return {
    ...map,
    bucketUs: map.bucketUs * factor,
    columns: Math.ceil(map.columns / factor),
    counts: map.counts.map((row) => splitIntoChunks(row, factor).map(sum)),
  };
}

function splitIntoChunks<T>(items: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function worstOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
