/** Reads a service's /metrics (Prometheus text format) for the figures a diagnosis needs. */
import { request } from 'undici';
import { type Bucket, quantileIn } from '../../pure/measure/metric-increase.ts';

export interface MetricsSnapshot {
  /** Cumulative buckets of a histogram summed over labels: upper bound (seconds) to count. */
  histogram(name: string): ReadonlyMap<number, number>;
  /** Value of a gauge or counter, `name` or `name{label="value"}`, summed over the other labels; null when absent. */
  value(selector: string): number | null;
  /** Every gauge by its series, `pool_idle{pool="audit"}`. */
  gauges(): Readonly<Record<string, number>>;
}

const SELECTOR = /^([^{]+)(?:\{(.*)\})?$/;
const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;

export async function scrape(serviceUrl: string, timeoutMs = 2_000): Promise<MetricsSnapshot> {
  const { body } = await request(new URL('/metrics', serviceUrl), {
    signal: AbortSignal.timeout(timeoutMs),
  });
  return parseMetrics(await body.text());
}

export function parseMetrics(text: string): MetricsSnapshot {
  const series: { readonly name: string; readonly labels: string; readonly value: number }[] = [];
  const histograms = new Map<string, Map<number, number>>();
  const gaugeNames = new Set<string>();
  for (const line of text.split('\n')) {
    const type = /^# TYPE (\S+) gauge$/.exec(line);
    if (type !== null) gaugeNames.add(type[1]!);
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, name = '', labels = '', raw] = match;
    const value = Number(raw);
    series.push({ name, labels, value });
    const bound = /(?:^|,)le="([^"]+)"/.exec(labels)?.[1];
    if (bound === undefined || !name.endsWith('_bucket')) continue;
    const base = name.slice(0, -'_bucket'.length);
    const buckets = histograms.get(base) ?? new Map<number, number>();
    const upper = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound);
    buckets.set(upper, (buckets.get(upper) ?? 0) + value);
    histograms.set(base, buckets);
  }
  return {
    histogram: (name) => histograms.get(name) ?? new Map(),
    gauges: () =>
      Object.fromEntries(
        series
          .filter(({ name, value }) => gaugeNames.has(name) && Number.isFinite(value))
          .map(({ name, labels, value }) => [labels === '' ? name : `${name}{${labels}}`, value]),
      ),
    value(selector) {
      const [, name, pairs = ''] = SELECTOR.exec(selector) ?? [];
      const wanted = pairs.split(',').filter((pair) => pair !== '');
      const found = series.filter(
        (one) => one.name === name && wanted.every((pair) => one.labels.split(',').includes(pair)),
      );
      return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0);
    },
  };
}

/** Quantile, in microseconds, of a histogram's increase between two snapshots. Null without an increase. */
export function quantileBetween(
  from: ReadonlyMap<number, number>,
  to: ReadonlyMap<number, number>,
  quantile: number,
): number | null {
  const increase = [...to]
    .sort(([a], [b]) => a - b)
    .map(([bound, count]): Bucket => [bound, count - (from.get(bound) ?? 0)]);
  const result = quantileIn(increase, quantile);
  return result === null ? null : Math.round(result.value * 1e6);
}
