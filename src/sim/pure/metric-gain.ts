/**
 * What a histogram of the service's own gained in some phases, over all its processes. It is a measurement only where
 * every process was read at the beginning and at the end of every phase and was the same process: what one that was
 * killed had counted is gone, and so a number without it would flatter.
 */
import type { HistoryRecord, MetricRecord } from '../history.ts';

/** How many were at most this large: cumulative, in ascending order, the last bound infinite. */
export type Bucket = readonly [upper: number, count: number];

export interface MetricGain {
  /** Bounds in microseconds. */
  readonly buckets: readonly Bucket[];
  /** Why it is no measurement, in one sentence; null: it is one. */
  readonly gap: string | null;
}

export function metricGain(
  history: readonly HistoryRecord[],
  metric: string,
  phases: readonly string[],
): MetricGain {
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
  return { buckets, gap: gapIn(records, metric, phases) };
}

function gapIn(
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

/** The bucket a quantile is in, and where in it if it is evenly filled, as Prometheus' histogram_quantile has it. */
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
