/**
 * A histogram for events of every request: prom-client looks up a series by sorting and joining its labels at every
 * observation. Here the caller looks it up once and keeps it; the values are collected at a scrape.
 */
import type { Metric, Registry } from 'prom-client';

export interface Series {
  observe(value: number): void;
}

interface HistogramSeries {
  readonly labels: Readonly<Record<string, string | number>>;
  /** By bound; an observation above the last bound is only in `count`. */
  readonly buckets: number[];
  sum: number;
  count: number;
}

/** Returns a function that creates the series of some labels; to be called once for each. */
export function createHistogram(
  registry: Registry,
  given: { name: string; help: string; bounds: readonly number[] },
): (labels: HistogramSeries['labels']) => Series {
  const { name, help, bounds } = given;
  const allSeries: HistogramSeries[] = [];
  const values = () =>
    allSeries.flatMap(({ labels, buckets, sum, count }) => {
      let cumulated = 0;
      const cumulatedBuckets = bounds.map((le, i) => {
        cumulated += buckets[i]!;
        return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: cumulated };
      });
      return [
        ...cumulatedBuckets,
        { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count },
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
  const aggregator = 'sum';
  const type = 'histogram';
  // The part of prom-client's Metric that a registry uses.
  const metric = {
    name,
    help,
    type,
    aggregator,
    reset: () => {},
    get: async () => ({ name, help, type, aggregator, values: values() }),
  };
  registry.registerMetric(metric as unknown as Metric);
  return (labels) => {
    const series: HistogramSeries = { labels, buckets: bounds.map(() => 0), sum: 0, count: 0 };
    allSeries.push(series);
    return {
      observe(value) {
        series.sum += value;
        series.count += 1;
        for (let i = 0; i < bounds.length; i += 1) {
          if (value > bounds[i]!) continue;
          series.buckets[i]! += 1;
          return;
        }
      },
    };
  };
}
