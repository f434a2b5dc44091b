/**
 * Increase of a service histogram over some phases, summed over all processes. Valid only if every process was read at
 * the beginning and the end of every phase and was not replaced: the counts of a killed process are lost, and a sum
 * without them would be too favourable.
 */
import type { HistoryRecord, MetricRecord } from '../../history.ts';

/** Cumulative count up to an upper bound; in ascending order, the last bound infinite. */
export type Bucket = readonly [upper: number, count: number];

export interface MetricIncrease {
  /** Bounds in microseconds. */
  readonly buckets: readonly Bucket[];
  /** Why the increase is not valid, one sentence; null: it is valid. */
  readonly gap: string | null;
}

export function metricIncrease(
  history: readonly HistoryRecord[],
  metric: string,
  phases: readonly string[],
): MetricIncrease {
  const records = history.filter(
    (record): record is MetricRecord =>
      record.kind === 'metric' && record.name === metric && phases.includes(record.phase),
  );
  const counts = new Map<number, number>();
  for (const record of records) {
    for (const [bound, count] of Object.entries(record.counts ?? {})) {
      const upperUs = Math.round(Number(bound) * 1e6);
      counts.set(upperUs, (counts.get(upperUs) ?? 0) + count);
    }
  }
  const buckets = [...counts].sort(([a], [b]) => a - b);
  return { buckets, gap: findGap(records, metric, phases) };
}

function findGap(
  records: readonly MetricRecord[],
  metric: string,
  phases: readonly string[],
): string | null {
  const unread = phases.find((phase) => !records.some((record) => record.phase === phase));
  if (unread !== undefined || phases.length === 0)
    return `${metric} was not read in ${unread ?? 'any phase'}`;
  const broken = records.find(({ counts }) => counts === undefined);
  if (broken !== undefined)
    return `${broken.process} could not be read from the beginning to the end of ${broken.phase}`;
  const without = records.find(({ counts = {} }) => Object.keys(counts).length === 0);
  return without === undefined ? null : `${without.process} has no histogram ${metric}`;
}

/** Bucket of a quantile, and its value by linear interpolation, as Prometheus' histogram_quantile computes it. */
export function quantileIn(
  buckets: readonly Bucket[],
  quantile: number,
): { readonly lower: number; readonly upper: number; readonly value: number } | null {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const rank = quantile * total;
  let [lower, below] = [0, 0];
  for (const [upper, count] of buckets) {
    if (count >= rank) {
      const inside = count === below ? 1 : (rank - below) / (count - below);
      const value = Number.isFinite(upper) ? lower + (upper - lower) * inside : lower;
      return { lower, upper, value };
    }
    [lower, below] = [upper, count];
  }
  return null;
}
