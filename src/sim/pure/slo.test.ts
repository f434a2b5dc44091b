import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LatencySummary } from '../result.ts';
import { evaluateSlo, latencySamplesNeeded, parseSlo, samplesNeeded } from './slo.ts';

const latency = (fields: Partial<LatencySummary>): LatencySummary => ({
  ...{ meanUs: 0, p50Us: 0, p95Us: 0, p99Us: 0, p999Us: 0, maxUs: 0, count: 1_000 },
  ...fields,
});
const evaluate = (
  objective: string,
  fields: Partial<LatencySummary>,
  errors = { failed: 0, total: 10_000 },
) => evaluateSlo('id', objective, { latency: latency(fields), errors });

describe('parseSlo', () => {
  it('reads the grammar k6 users know', () => {
    expect(parseSlo('latency.p99 < 500ms')).toEqual({
      indicator: 'p99',
      comparison: '<',
      limit: 500_000,
      relative: false,
      cost: '',
    });
    expect(parseSlo('latency.mean<=0.2s').limit).toBe(200_000);
    expect(parseSlo('errors < 0.1%')).toEqual({
      indicator: 'errors',
      comparison: '<',
      limit: 0.001,
      relative: false,
      cost: '',
    });
    expect(parseSlo('latency.p99 <= 1.2x')).toMatchObject({ limit: 1.2, relative: true });
    expect(parseSlo('cost.statements <= 0.1')).toMatchObject({ cost: 'statements', limit: 0.1 });
  });

  it.each([
    'latency.p98 < 5ms',
    'latency.p99 < 500',
    'errors < 1',
    'errors < 2x',
    'cost.a < 1ms',
    '',
  ])('refuses %j before a run', (objective) => {
    expect(() => parseSlo(objective)).toThrow(/SLO not understood/);
  });
});

describe('evaluateSlo', () => {
  it('compares with a baseline, and needs samples on both sides', () => {
    const times = (p99Us: number, baseline: Partial<LatencySummary>) =>
      evaluateSlo('id', 'latency.p99 <= 1.2x', {
        ...{ latency: latency({ p99Us }), errors: { failed: 0, total: 0 } },
        baseline: latency(baseline),
      });
    const base = { p99Us: 10_000 };
    expect(times(11_900, base)).toMatchObject({ verdict: 'pass', measured: 1.19, unit: 'times' });
    expect(times(12_100, base).verdict).toBe('fail');
    expect(times(11_000, { ...base, count: 298 }).verdict).toBe('unknown');
    expect(evaluate('latency.p99 <= 1.2x', {}).verdict).toBe('unknown');
  });

  it('cannot tell a slower phase from a machine that varies as much by itself', () => {
    const slower = { latency: latency({ p99Us: 30_000 }), errors: { failed: 0, total: 0 } };
    const baseline = latency({ p99Us: 10_000 });
    const verdict = (first: number, second: number) =>
      evaluateSlo('id', 'latency.p99 <= 1.2x', {
        ...{ ...slower, baseline },
        halves: [latency({ p99Us: first }), latency({ p99Us: second })],
      }).verdict;
    expect(verdict(10_000, 11_000)).toBe('fail');
    expect(verdict(5_000, 15_000)).toBe('unknown');
  });

  it('judges counted work, and never without a count', () => {
    const cost = (value: number | null) =>
      evaluateSlo('id', 'cost.statements <= 0.1', {
        ...{ latency: latency({}), errors: { failed: 0, total: 0 } },
        costs: [{ id: 'statements', label: 'SQL statements', value, unit: 'count' }],
      });
    expect(cost(0.02).verdict).toBe('pass');
    expect(cost(2).verdict).toBe('fail');
    expect(cost(null).verdict).toBe('unknown');
  });

  it('separates < from <= at the limit', () => {
    expect(evaluate('latency.p99 < 500ms', { p99Us: 500_000 }).verdict).toBe('fail');
    expect(evaluate('latency.p99 <= 500ms', { p99Us: 500_000 }).verdict).toBe('pass');
  });

  it('needs ln 0.05 / ln q samples: 299 for p99, 2,995 for p99.9 and for errors below 0.1 %', () => {
    expect(samplesNeeded(parseSlo('latency.p99 < 1ms'))).toBe(299);
    expect(samplesNeeded(parseSlo('latency.p999 < 1ms'))).toBe(2_995);
    expect(samplesNeeded(parseSlo('errors < 0.1%'))).toBe(2_995);
    const few = evaluate('latency.p99 < 500ms', { p99Us: 1, count: 298 });
    expect(few).toMatchObject({ verdict: 'unknown', reason: '298 samples, 299 needed' });
  });

  it('tells how long a phase must at least be: for its latencies, not for its error ratio', () => {
    const objectives = ['latency.mean < 1s', 'latency.p99 < 1s', 'errors < 0.1%'];
    expect(latencySamplesNeeded(objectives.map((objective) => ({ objective })))).toBe(299);
    expect(latencySamplesNeeded([{ objective: 'errors < 1%' }])).toBe(0);
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
