import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LatencySummary } from '../../result.ts';
import type { Bucket } from '../measure/metric-increase.ts';
import type { QuantileBounds } from '../measure/quantile-bounds.ts';
import {
  errorMinimumSamples,
  evaluateSlo,
  isLoadOnly,
  latencyMinimumSamples,
  minimumSamples,
  parseSlo,
} from './slo.ts';

const latency = (fields: Partial<LatencySummary>): LatencySummary => ({
  meanUs: 0,
  p50Us: 0,
  p95Us: 0,
  p99Us: 0,
  p999Us: 0,
  maxUs: 0,
  count: 1_000,
  ...fields,
});
const evaluate = (
  objective: string,
  fields: Partial<LatencySummary>,
  errors = { failed: 0, total: 10_000 },
) => evaluateSlo('id', objective, { latency: latency(fields), errors });

describe('parseSlo', () => {
  it('reads the grammar k6 users know', () => {
    const alone = { relative: null, arm: null, cost: '', metric: '' };
    expect(parseSlo('latency.p99 < 500ms')).toEqual({
      ...alone,
      indicator: 'p99',
      comparator: '<',
      limit: 500_000,
    });
    expect(parseSlo('latency.mean<=0.2s').limit).toBe(200_000);
    expect(parseSlo('errors < 0.1%')).toEqual({
      ...alone,
      indicator: 'errors',
      comparator: '<',
      limit: 0.001,
    });
    expect(parseSlo('latency.p99 <= 1.2x')).toMatchObject({
      limit: 1.2,
      relative: 'times',
      arm: null,
    });
    expect(parseSlo('cost.statements <= 0.1')).toMatchObject({ cost: 'statements', limit: 0.1 });
  });

  it('parses comparisons with an earlier arm, and service metrics', () => {
    expect(parseSlo('latency.p50 < 3x before')).toMatchObject({
      indicator: 'p50',
      limit: 3,
      relative: 'times',
      arm: 'before',
    });
    expect(parseSlo('latency.p99 <= sample+0.5s')).toMatchObject({
      indicator: 'p99',
      limit: 500_000,
      relative: 'added',
      arm: 'sample',
    });
    expect(parseSlo('metric.wait_seconds.p99 < 10ms')).toMatchObject({
      indicator: 'p99',
      limit: 10_000,
      relative: null,
      metric: 'wait_seconds',
    });
    const ofLoad = ['latency.p99 < 1s', 'latency.p99 < 2x', 'errors < 1%', 'cost.a < 1'];
    expect(ofLoad.map((objective) => isLoadOnly(parseSlo(objective)))).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it.each([
    'latency.p98 < 5ms',
    'latency.p99 < 500',
    'errors < 1',
    'errors < 2x',
    'cost.a < 1ms',
    'latency.p50 < 3x after',
    'latency.p50 < 3ms before',
    'latency.p50 < before + 3x',
    'latency.p50 < before + 3ms before',
    'errors < before + 1%',
    'errors < 1% before',
    'cost.a < 2 before',
    'metric.wait_seconds < 10ms',
    'metric.wait_seconds.max < 10ms',
    'metric.wait_seconds.p99 < 2x',
    'metric.wait_seconds.p99 < before + 10ms',
    '',
  ])('refuses %j before a run', (objective) => {
    expect(() => parseSlo(objective)).toThrow(/SLO not understood/);
  });
});

describe('evaluateSlo', () => {
  it('compares with a baseline, and needs samples on both sides', () => {
    const times = (p99Us: number, baseline: Partial<LatencySummary>) =>
      evaluateSlo('id', 'latency.p99 <= 1.2x', {
        latency: latency({ p99Us }),
        errors: { failed: 0, total: 0 },
        reference: { latency: latency(baseline), halves: [latency(baseline), latency(baseline)] },
      });
    const base = { p99Us: 10_000 };
    expect(times(11_900, base)).toMatchObject({ verdict: 'pass', measured: 1.19, unit: 'times' });
    expect(times(12_100, base).verdict).toBe('fail');
    expect(times(11_000, { ...base, count: 298 }).verdict).toBe('unknown');
    expect(evaluate('latency.p99 <= 1.2x', {}).verdict).toBe('unknown');
  });

  it('is unknown when the machine alone varies as much as the difference', () => {
    const slower = { latency: latency({ p99Us: 30_000 }), errors: { failed: 0, total: 0 } };
    const judge = (objective: string, first: number, second: number) =>
      evaluateSlo('id', objective, {
        ...slower,
        reference: {
          latency: latency({ p99Us: 10_000 }),
          halves: [latency({ p99Us: first }), latency({ p99Us: second })],
        },
      });
    expect(judge('latency.p99 <= 1.2x', 10_000, 11_000).verdict).toBe('fail');
    expect(judge('latency.p99 <= 1.2x', 5_000, 15_000)).toMatchObject({
      verdict: 'unknown',
      reason: expect.stringContaining('the baseline alone'),
    });
    expect(judge('latency.p99 < before + 9ms', 10_000, 11_000).verdict).toBe('fail');
    expect(judge('latency.p99 < before + 9ms', 5_000, 15_000)).toMatchObject({
      verdict: 'unknown',
      reason: expect.stringContaining('before alone varied by 10.0 ms'),
    });
  });

  describe('a quantile that is missed by less than the chance of its samples', () => {
    const about = (low: number, high: number): QuantileBounds => ({
      p50: [0, 0],
      p95: [0, 0],
      p999: [0, 0],
      p99: [1_000 * low, 1_000 * high],
    });
    const judge = (objective: string, own: QuantileBounds, base?: QuantileBounds) => {
      const baseline = latency({ p99Us: 10_000 });
      return evaluateSlo('id', objective, {
        latency: latency({ p99Us: 30_000 }),
        errors: { failed: 0, total: 0 },
        bounds: own,
        ...(base && {
          reference: { latency: baseline, halves: [baseline, baseline], bounds: base },
        }),
      });
    };

    it('is unknown, and is a failure where even the better bound misses it', () => {
      expect(judge('latency.p99 < 29ms', about(28, 40))).toMatchObject({
        verdict: 'unknown',
        measured: 30_000,
        reason: 'p99 of 1000 samples is 28.0 to 40.0 ms: too few to tell',
      });
      expect(judge('latency.p99 < 29ms', about(29, 40)).verdict).toBe('fail');
      expect(judge('latency.p99 > 31ms', about(20, 32)).verdict).toBe('unknown');
      expect(judge('latency.p99 > 31ms', about(20, 31)).verdict).toBe('fail');
      expect(judge('latency.p99 < 31ms', about(20, 40)).verdict).toBe('pass');
    });

    it('counts the chance of both sides of a comparison', () => {
      expect(judge('latency.p99 <= 2x', about(28, 40), about(9, 14))).toMatchObject({
        verdict: 'unknown',
        measured: 3,
        reason: expect.stringContaining('28.0 to 40.0 ms, against 9.0 to 14.0 ms: too few'),
      });
      expect(judge('latency.p99 <= 2x', about(28, 40), about(9, 13)).verdict).toBe('fail');
      expect(judge('latency.p99 < before + 15ms', about(28, 40), about(9, 14)).verdict).toBe(
        'unknown',
      );
      expect(judge('latency.p99 < before + 15ms', about(28, 40), about(9, 13)).verdict).toBe(
        'fail',
      );
    });
  });

  it('judges the difference to an earlier arm, which may be negative', () => {
    const added = (p50Us: number, before: Partial<LatencySummary>) =>
      evaluateSlo('id', 'latency.p50 < before + 10ms', {
        latency: latency({ p50Us }),
        errors: { failed: 0, total: 0 },
        reference: { latency: latency(before), halves: [latency(before), latency(before)] },
      });
    const [pass, fail] = ['pass', 'fail'].map((verdict) => ({ verdict, unit: 'us' }));
    expect(added(13_999, { p50Us: 4_000 })).toMatchObject({ ...pass, measured: 9_999 });
    expect(added(14_000, { p50Us: 4_000 })).toMatchObject({ ...fail, measured: 10_000 });
    expect(added(3_000, { p50Us: 4_000 })).toMatchObject({ ...pass, measured: -1_000 });
    expect(added(3_000, { p50Us: 4_000, count: 4 }).verdict).toBe('unknown');
    expect(evaluate('latency.p50 < before + 10ms', {}).verdict).toBe('unknown');
  });

  it('judges counted work, and never without a count', () => {
    const cost = (value: number | null) =>
      evaluateSlo('id', 'cost.statements <= 0.1', {
        latency: latency({}),
        errors: { failed: 0, total: 0 },
        costs: [{ id: 'statements', label: 'SQL statements', value, unit: 'count' }],
      });
    expect(cost(0.02).verdict).toBe('pass');
    expect(cost(2).verdict).toBe('fail');
    expect(cost(null).verdict).toBe('unknown');
  });

  describe('of a histogram that the service keeps', () => {
    const judged = (buckets: readonly Bucket[], gap: string | null = null, limit = '10ms') =>
      evaluateSlo('id', `metric.wait_seconds.p99 < ${limit}`, {
        latency: latency({}),
        errors: { failed: 0, total: 0 },
        metric: { buckets, gap },
      });
    const buckets = (below: number): Bucket[] => [
      [5_000, 500],
      [10_000, below],
      [25_000, 1_000],
      [Number.POSITIVE_INFINITY, 1_000],
    ];

    it('catches a wait that is too long, by one observation in a thousand', () => {
      expect(judged(buckets(990))).toMatchObject({ verdict: 'pass', measured: 10_000 });
      expect(judged(buckets(989))).toMatchObject({ verdict: 'fail', samples: 1_000, unit: 'us' });
    });

    it('is unknown when the limit lies inside a bucket', () => {
      expect(judged(buckets(995), null, '7ms')).toMatchObject({
        verdict: 'unknown',
        reason: 'its buckets only tell that it is over 5 ms',
      });
      const endless: Bucket[] = [
        [10_000, 900],
        [Number.POSITIVE_INFINITY, 1_000],
      ];
      expect(judged(endless)).toMatchObject({ verdict: 'fail', measured: 10_000 });
      expect(judged(endless, null, '20ms').verdict).toBe('unknown');
    });

    it('is unknown with too few observations, with none, and where a process was not read', () => {
      expect(judged([[10_000, 298]])).toMatchObject({
        verdict: 'unknown',
        reason: '298 samples, 299 needed',
      });
      expect(judged([[10_000, 299]]).verdict).toBe('pass');
      expect(judged([[10_000, 0]])).toMatchObject({ verdict: 'unknown', measured: null });
      expect(judged(buckets(1_000), 'gateway.2 was restarted')).toMatchObject({
        verdict: 'unknown',
        reason: 'gateway.2 was restarted',
      });
      expect(evaluate('metric.wait_seconds.p99 < 1s', {}).verdict).toBe('unknown');
    });
  });

  it('separates < from <= at the limit', () => {
    expect(evaluate('latency.p99 < 500ms', { p99Us: 500_000 }).verdict).toBe('fail');
    expect(evaluate('latency.p99 <= 500ms', { p99Us: 500_000 }).verdict).toBe('pass');
  });

  it('needs ln 0.05 / ln q samples: 299 for p99, 2,995 for p99.9 and for errors below 0.1 %', () => {
    expect(minimumSamples(parseSlo('latency.p99 < 1ms'))).toBe(299);
    expect(minimumSamples(parseSlo('latency.p999 < 1ms'))).toBe(2_995);
    expect(minimumSamples(parseSlo('errors < 0.1%'))).toBe(2_995);
    const few = evaluate('latency.p99 < 500ms', { p99Us: 1, count: 298 });
    expect(few).toMatchObject({ verdict: 'unknown', reason: '298 samples, 299 needed' });
  });

  it('tells how long a phase must at least be: for its latencies, not for its error ratio', () => {
    const objectives = ['latency.mean < 1s', 'latency.p99 < 1s', 'errors < 0.1%'];
    expect(latencyMinimumSamples(objectives.map((objective) => ({ objective })))).toBe(299);
    expect(latencyMinimumSamples([{ objective: 'errors < 1%' }])).toBe(0);
    const both = [{ objective: 'errors < 0.1%' }, { objective: 'latency.p99 < 500ms' }];
    expect(errorMinimumSamples(both)).toBe(2_995);
  });

  it('never passes on no data', () => {
    const objectives = ['latency.mean < 1s', 'latency.p99 < 1s', 'latency.max < 1s', 'errors < 1%'];
    for (const objective of objectives) {
      const none = evaluate(objective, { count: 0 }, { failed: 0, total: 0 });
      expect(none).toMatchObject({ verdict: 'unknown', measured: null });
    }
  });

  it('fails an error SLO early when no further sample could save it', () => {
    expect(evaluate('errors < 0.1%', {}, { failed: 4, total: 100 }).verdict).toBe('fail');
    expect(evaluate('errors < 0.1%', {}, { failed: 0, total: 100 }).verdict).toBe('unknown');
    expect(evaluate('errors < 0.1%', {}, { failed: 2, total: 3_000 }).verdict).toBe('pass');
    expect(evaluate('errors < 0.1%', {}, { failed: 3, total: 3_000 }).verdict).toBe('fail');
  });

  it('passes exactly when the measured value is below the limit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e7 }),
        fc.integer({ min: 1, max: 10_000 }),
        (us, ms) => {
          const { verdict } = evaluate(`latency.p99 < ${ms}ms`, { p99Us: us });
          expect(verdict === 'pass').toBe(us < ms * 1_000);
        },
      ),
    );
  });
});
