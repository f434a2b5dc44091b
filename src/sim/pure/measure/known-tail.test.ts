/**
 * Issue 12, number 7. Percentiles over 10,000 and more values with a known tail. Each regression of the arithmetic is
 * planted as the function that it would be: the assertion that the real one passes must tell it apart.
 */
import { describe, expect, it } from 'vitest';
import type { LatencySummary } from '../../result.ts';
import {
  ARRIVAL_ORDERS,
  type KnownSample,
  knownTail,
  summaryDifferences,
} from '../fixtures/known-tail.ts';
import {
  exactSummary,
  rankOf,
  type Summarize,
  WRONG_SUMMARIES,
} from '../fixtures/wrong-summaries.ts';
import { createRandom, exponential } from '../random.ts';
import { LatencyHistogram, summarize } from './histogram.ts';
import { type MetricIncrease, metricIncrease, quantileIn } from './metric-increase.ts';
import { type QuantileBounds, quantileBounds } from './quantile-bounds.ts';

/** Of the first all ranks are whole numbers, of the second none is. */
const SIZES = [20_000, 20_011] as const;
const samples = SIZES.flatMap((size) => ARRIVAL_ORDERS.map((order) => knownTail(size, order)));

const filled = (values: readonly number[]) => {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
};
const wrongIn = (calculate: Summarize) =>
  samples.flatMap(({ values, truth }) => summaryDifferences(calculate(values), truth));

describe('Arithmetic: a summary of a known tail', () => {
  it('is true, whatever the number of values and their order', () => {
    expect(wrongIn(summarize)).toEqual([]);
    expect(wrongIn(exactSummary())).toEqual([]);
  });

  it.each(Object.entries(WRONG_SUMMARIES))('is told apart from one in which %s', (_, planted) => {
    expect(wrongIn(planted)).not.toEqual([]);
  });

  it('has in its spectrum the value at each rank, up to the largest', () => {
    for (const { values } of samples) {
      const sorted = values.toSorted((a, b) => a - b);
      for (const { quantile, valueUs } of filled(values).spectrum()) {
        const exactUs = sorted[rankOf(sorted.length, quantile) - 1]!;
        expect(Math.abs(valueUs - exactUs)).toBeLessThanOrEqual(Math.max(1, exactUs / 1_000));
      }
    }
  });
});

/** Four parts as of four processes: unequal, and one has nearly the whole tail. */
function partsOf({ values }: KnownSample): readonly (readonly number[])[] {
  const slow = values.filter((value) => value > 6_000);
  const fast = values.filter((value) => value <= 6_000);
  const [first, second] = [fast.length >> 3, fast.length >> 1];
  return [
    fast.slice(0, first),
    fast.slice(first, second),
    [...fast.slice(second), ...slow.slice(0, 5)],
    slow.slice(5),
  ];
}

type Merge = (parts: readonly (readonly number[])[]) => LatencySummary;
const mergeWith =
  (merge: (of: readonly LatencySummary[], name: keyof LatencySummary) => number): Merge =>
  (parts) => {
    const summaries = parts.map((part) => summarize(part));
    const names = Object.keys(summaries[0]!) as (keyof LatencySummary)[];
    return Object.fromEntries(
      names.map((name) => [name, merge(summaries, name)]),
    ) as unknown as LatencySummary;
  };
const totalOf = (summaries: readonly LatencySummary[]) =>
  summaries.reduce((sum, { count }) => sum + count, 0);
const wrongMerges: Readonly<Record<string, Merge>> = {
  'the percentiles are averaged': mergeWith((of, name) =>
    name === 'count' ? totalOf(of) : of.reduce((sum, one) => sum + one[name], 0) / of.length,
  ),
  'the percentiles are averaged by count': mergeWith((of, name) =>
    name === 'count'
      ? totalOf(of)
      : of.reduce((sum, one) => sum + one[name] * one.count, 0) / totalOf(of),
  ),
  'the largest of the percentiles is taken': mergeWith((of, name) =>
    name === 'count' ? totalOf(of) : Math.max(...of.map((one) => one[name])),
  ),
  'the last part is left out': (parts) => summarize(parts.slice(0, -1).flat()),
  'the first part counts twice': (parts) => summarize([...parts[0]!, ...parts.flat()]),
  'only the sizes of later parts are added': (parts) => ({
    ...summarize(parts[0]!),
    count: parts.flat().length,
  }),
  'each part has an equal weight': (parts) => {
    const least = Math.min(...parts.map(({ length }) => length));
    return summarize(parts.flatMap((part) => part.slice(0, least)));
  },
};

describe('Arithmetic: a merge of unequal parts', () => {
  const mergeHistograms: Merge = (parts) => {
    const whole = new LatencyHistogram();
    for (const part of parts) whole.merge(filled(part));
    return whole.summary();
  };
  const wrongMerged = (merge: Merge) =>
    samples.flatMap((sample) => summaryDifferences(merge(partsOf(sample)), sample.truth));

  it('is the summary of the whole', () => {
    expect(wrongMerged(mergeHistograms)).toEqual([]);
  });

  it.each(Object.entries(wrongMerges))('is told apart from one in which %s', (_, planted) => {
    expect(wrongMerged(planted)).not.toEqual([]);
  });
});

describe('Arithmetic: the confidence bounds of a quantile', () => {
  type Bounds = (values: readonly number[]) => QuantileBounds | undefined;
  /** Of 20,000 values, by hand: n q -/+ 1.96 sqrt(n q (1 - q)), rounded outwards, and one further above. */
  const RANKS: QuantileBounds = {
    p50: [9_861, 10_140],
    p95: [18_939, 19_062],
    p99: [19_772, 19_829],
    p999: [19_971, 19_990],
  };
  const shuffledRanks = (() => {
    const random = createRandom(3);
    return Array.from({ length: 20_000 }, (_, rank) => ({ rank: rank + 1, at: random.next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ rank }) => rank);
  })();
  const shifted =
    (by: number): Bounds =>
    (values) => {
      const right = quantileBounds(values)!;
      const moved = Object.entries(right).map(([name, [low, high]]) => [
        name,
        [low + by, high + by],
      ]);
      return Object.fromEntries(moved) as QuantileBounds;
    };
  const wrongBounds: Readonly<Record<string, Bounds>> = {
    'the largest 0.1 % are dropped': (values) =>
      quantileBounds(values.filter((value) => value <= 19_980)),
    'the first 10,000 are read': (values) => quantileBounds(values.slice(0, 10_000)),
    'the ranks are one too low': shifted(-1),
    'the ranks are one too high': shifted(1),
    'the values are sorted as text': (values) => {
      const asText = values.map(String).sort().map(Number);
      const { p50, p95, p99, p999 } = RANKS;
      const at = ([low, high]: readonly [number, number]) =>
        [asText[low - 1]!, asText[high - 1]!] as const;
      return { p50: at(p50), p95: at(p95), p99: at(p99), p999: at(p999) };
    },
  };

  it('are the values at the ranks of the formula', () => {
    expect(quantileBounds(shuffledRanks)).toEqual(RANKS);
  });

  it.each(Object.entries(wrongBounds))('are told apart from those in which %s', (_, planted) => {
    expect(planted(shuffledRanks)).not.toEqual(RANKS);
  });
});

describe("Arithmetic: a service's histogram over its processes", () => {
  const BOUNDS = ['0.001', '0.01', '0.1', '1', 'Infinity'] as const;
  const counted = (process: string, phase: string, counts: readonly number[]) => ({
    kind: 'metric' as const,
    name: 'wait_seconds',
    phase,
    process,
    counts: Object.fromEntries(BOUNDS.map((bound, index) => [bound, counts[index]!])),
  });
  /** 20,000 observations; the busiest process is fast, the slow hundredth is in the least busy one. */
  const records = [
    counted('gateway.1', 'calm', [14_000, 16_000, 16_000, 16_000, 16_000]),
    counted('gateway.1', 'storm', [2_500, 3_000, 3_000, 3_000, 3_000]),
    counted('gateway.2', 'storm', [0, 780, 800, 990, 1_000]),
  ];
  type P99 = (given: typeof records) => number | null;
  const p99Of = ({ buckets }: Pick<MetricIncrease, 'buckets'>) =>
    quantileIn(buckets, 0.99)?.upper ?? null;
  const inPhases = ['calm', 'storm'];
  const p99: P99 = (given) => p99Of(metricIncrease(given, 'wait_seconds', inPhases));
  const wrongP99s: Readonly<Record<string, P99>> = {
    'the first process is read': (given) =>
      p99(given.filter(({ process }) => process === 'gateway.1')),
    'the last process is read': (given) =>
      p99(given.filter(({ process }) => process === 'gateway.2')),
    'the last phase is read': (given) => p99Of(metricIncrease(given, 'wait_seconds', ['storm'])),
    'the percentiles of the records are averaged': (given) => {
      const each = given.map((one) => p99([one])!);
      return each.reduce((sum, value) => sum + value, 0) / each.length;
    },
    'the counts are not cumulative': (given) => {
      const { buckets } = metricIncrease(given, 'wait_seconds', inPhases);
      let below = 0;
      return p99Of({
        buckets: buckets.map(([bound, count]) => {
          below += count;
          return [bound, below] as const;
        }),
      });
    },
  };

  it('has the percentile of all of them together', () => {
    // 19,780 of 20,000 took at most 10 ms, 19,800 at most 100 ms: rank 19,800 is in the third bucket.
    expect(p99(records)).toBe(100_000);
  });

  it.each(Object.entries(wrongP99s))('is told apart from one in which %s', (_, planted) => {
    expect(planted(records)).not.toBe(100_000);
  });
});

it('Arithmetic: the bounds of a skewed distribution contain its true quantile in 95 of 100 samples', () => {
  const random = createRandom(11);
  const RUNS = 200;
  let inside = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const values = Array.from({ length: 10_000 }, () => exponential(random, 1_000));
    const [low, high] = quantileBounds(values)!.p99;
    const truth = -Math.log(0.01) * 1_000;
    if (low <= truth && truth <= high) inside += 1;
  }
  expect(inside / RUNS).toBeGreaterThan(0.9);
});
