/**
 * Counters and histograms for what happens with every request: prom-client looks a series up by sorting and joining
 * its labels each time. Here a series is found once and then only counted; it is made into text when somebody asks.
 */
import type { Metric, Registry } from 'prom-client';

export interface Series {
  observe(value: number): void;
}

interface Counted {
  readonly labels: Readonly<Record<string, string | number>>;
  /** By bound; beyond the last: only in `count`. */
  readonly buckets: number[];
  sum: number;
  count: number;
}

/** Returns the series of some labels; ask for it once. */
export function createHistogram(
  registry: Registry,
  given: { name: string; help: string; bounds: readonly number[] },
): (labels: Counted['labels']) => Series {
  const { name, help, bounds } = given;
  const all: Counted[] = [];
  const values = () =>
    all.flatMap(({ labels, buckets, sum, count }) => {
      let upTo = 0;
      const cumulated = bounds.map((le, i) => {
        upTo += buckets[i]!;
        return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: upTo };
      });
      return [
        ...cumulated,
        { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count },
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
  const aggregator = 'sum';
  const type = 'histogram';
  // What a registry asks of a metric is this much.
  const metric = {
    ...{ name, help, type, aggregator, reset: () => {} },
    get: async () => ({ name, help, type, aggregator, values: values() }),
  };
  registry.registerMetric(metric as unknown as Metric);
  return (labels) => {
    const one: Counted = { labels, buckets: bounds.map(() => 0), sum: 0, count: 0 };
    all.push(one);
    return {
      observe(value) {
        one.sum += value;
        one.count += 1;
        for (let i = 0; i < bounds.length; i += 1) {
          if (value > bounds[i]!) continue;
          one.buckets[i]! += 1;
          return;
        }
      },
    };
  };
}
