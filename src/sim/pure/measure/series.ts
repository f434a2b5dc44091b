/**
 * What charts are drawn from: operations counted into buckets of time. Every planned operation is in each of
 * them, completed or not; all are pure functions of the records.
 */
import type { OperationRecord } from '../../history.ts';
import type { HeatMap, TimelinePoint } from '../../result.ts';
import { LatencyHistogram } from './histogram.ts';

export interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

/** From the first start to the last end; undefined for none. */
export function spanOf(phases: readonly Span[]): Span | undefined {
  if (phases.length === 0) return undefined;
  return {
    startUs: Math.min(...phases.map((phase) => phase.startUs)),
    endUs: Math.max(...phases.map((phase) => phase.endUs)),
  };
}

/** Response time from the scheduled instant; an operation that never left counts with the age it had when given up. */
export function responseUs(operation: OperationRecord): number {
  return operation.doneUs - operation.scheduledUs;
}

export function timeline(
  operations: readonly OperationRecord[],
  span: Span,
  bucketUs: number,
): TimelinePoint[] {
  const columns = Math.max(1, Math.ceil((span.endUs - span.startUs) / bucketUs));
  const buckets = Array.from({ length: columns }, () => ({
    offered: 0,
    errors: 0,
    latencies: new LatencyHistogram(2),
    // Change of the number in flight; summed up from left to right below.
    started: 0,
    ended: 0,
  }));
  const at = (timeUs: number) => buckets[Math.floor((timeUs - span.startUs) / bucketUs)];
  for (const operation of operations) {
    const scheduled = at(operation.scheduledUs);
    if (scheduled !== undefined) {
      scheduled.offered += 1;
      scheduled.started += 1;
    }
    const done = at(operation.doneUs);
    if (done === undefined) continue;
    done.ended += 1;
    done.latencies.record(responseUs(operation));
    if (operation.outcome !== 'ok') done.errors += 1;
  }
  const perSecond = 1e6 / bucketUs;
  let inFlight = 0;
  return buckets.map((bucket, index) => {
    inFlight += bucket.started - bucket.ended;
    return {
      atUs: span.startUs + index * bucketUs,
      offeredPerSecond: bucket.offered * perSecond,
      completedPerSecond: (bucket.ended - bucket.errors) * perSecond,
      p50Us: bucket.latencies.quantile(0.5),
      p99Us: bucket.latencies.quantile(0.99),
      inFlight,
      errors: bucket.errors,
    };
  });
}

export function errorTimeline(
  operations: readonly OperationRecord[],
  span: Span,
  bucketUs: number,
): { cause: string; counts: number[] }[] {
  const columns = Math.max(1, Math.ceil((span.endUs - span.startUs) / bucketUs));
  const byCause = new Map<string, number[]>();
  for (const operation of operations) {
    if (operation.outcome === 'ok') continue;
    const column = Math.floor((operation.doneUs - span.startUs) / bucketUs);
    if (column < 0 || column >= columns) continue;
    const cause = operation.error ?? `http ${operation.status}`;
    const counts = byCause.get(cause) ?? new Array<number>(columns).fill(0);
    counts[column] = (counts[column] ?? 0) + 1;
    byCause.set(cause, counts);
  }
  return [...byCause].map(([cause, counts]) => ({ cause, counts }));
}

/** Rows of equal width on a log scale: 4 per octave would be too fine to read; 6 per decade is what eyes resolve. */
const ROWS_PER_DECADE = 6;
const LOWEST_US = 500;
const DECADES = 5;

export const heatMapEdgesUs: readonly number[] = Array.from(
  { length: ROWS_PER_DECADE * DECADES + 1 },
  (_, row) => Math.round(LOWEST_US * 10 ** (row / ROWS_PER_DECADE)),
);

export function heatMap(
  operations: readonly OperationRecord[],
  span: Span,
  columns: number,
): HeatMap {
  const bucketUs = Math.max(1, Math.ceil((span.endUs - span.startUs) / columns));
  const rows = heatMapEdgesUs.length - 1;
  const counts = Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
  for (const operation of operations) {
    const column = Math.floor((operation.scheduledUs - span.startUs) / bucketUs);
    if (column < 0 || column >= columns) continue;
    const position = Math.log10(Math.max(responseUs(operation), 1) / LOWEST_US) * ROWS_PER_DECADE;
    const row = counts[Math.min(rows - 1, Math.max(0, Math.floor(position)))]!;
    row[column] = (row[column] ?? 0) + 1;
  }
  return { startUs: span.startUs, bucketUs, columns, edgesUs: heatMapEdgesUs, counts };
}
