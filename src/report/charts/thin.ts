/**
 * Keeps a chart small when a run is long: neighbouring buckets are merged until at most `limit` are left.
 * Rates are averaged, latencies and in-flight keep the worst, counts are added; nothing is dropped.
 */
import type { HeatMap, TimelinePoint } from '../../sim/result.ts';

/** Columns of a heat map: all drawings share one scale, so the limit is the same at every width. */
export const MOST_COLUMNS = 120;

/** A bucket is at least this wide in a drawing. */
const PIXELS_PER_BUCKET = 3;

export function bucketLimit(plotWidth: number): number {
  return Math.max(1, Math.floor(plotWidth / PIXELS_PER_BUCKET));
}

export function mergeFactor(buckets: number, limit: number): number {
  return Math.max(1, Math.ceil(buckets / limit));
}

export function thinPoints(
  points: readonly TimelinePoint[],
  limit: number,
): readonly TimelinePoint[] {
  const factor = mergeFactor(points.length, limit);
  if (factor === 1) return points;
  return chunks(points, factor).map((part) => ({
    atUs: part[0]!.atUs,
    offeredPerSecond: mean(part.map((point) => point.offeredPerSecond)),
    completedPerSecond: mean(part.map((point) => point.completedPerSecond)),
    p50Us: worst(part.map((point) => point.p50Us)),
    p99Us: worst(part.map((point) => point.p99Us)),
    inFlight: Math.max(...part.map((point) => point.inFlight)),
    errors: sum(part.map((point) => point.errors)),
  }));
}

export function thinCounts(counts: readonly number[], limit: number): readonly number[] {
  return chunks(counts, mergeFactor(counts.length, limit)).map(sum);
}

/** Mean of the values that exist. */
export function thinValues(
  values: readonly (number | null)[],
  limit: number,
): readonly (number | null)[] {
  return chunks(values, mergeFactor(values.length, limit)).map((part) => {
    const known = part.filter((value) => value !== null);
    return known.length === 0 ? null : mean(known);
  });
}

export function thinHeatMap(map: HeatMap, limit = MOST_COLUMNS): HeatMap {
  const factor = mergeFactor(map.columns, limit);
  if (factor === 1) return map;
  return {
    ...map,
    bucketUs: map.bucketUs * factor,
    columns: Math.ceil(map.columns / factor),
    counts: map.counts.map((row) => chunks(row, factor).map(sum)),
  };
}

function chunks<T>(items: readonly T[], size: number): (readonly T[])[] {
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

function worst(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
