import { describe, expect, it } from 'vitest';
import type { MetricRecord, OperationRecord } from '../../history.ts';
import type { LoadStep } from '../../result.ts';
import type { Slo } from '../../scenario.ts';
import { operation } from '../fixtures/records.ts';
import { summarize } from '../measure/histogram.ts';
import { type LogicalOperation, logicalOperations } from '../measure/logical-operations.ts';
import { judgeSlos, metricsIn, type SloInput } from './judge-slos.ts';
import { judgeArm, judgeRun } from './verdict.ts';

const TIMES = 400;
const calm = (slowUs: number, name = 'read') =>
  logicalOperations(
    Array.from({ length: TIMES }, (_, id) => {
      const scheduledUs = id * 10_000;
      return operation(id, { phase: 'calm', name, scheduledUs, doneUs: scheduledUs + slowUs });
    }),
  );
const judge = (slos: readonly Slo[], input: Partial<SloInput>) =>
  judgeSlos({
    slos,
    history: [],
    operations: [],
    judged: ['calm'],
    steps: [],
    costs: [],
    earlierArms: {},
    ...input,
  });
const added: Slo = {
  id: 'added',
  objective: 'latency.p50 < before + 10ms',
  operations: ['read'],
};

describe('an objective that compares with an earlier arm', () => {
  const before = judge([added], { operations: [...calm(2_000), ...calm(90_000, 'write')] });

  it('is left out of the arm it compares with, and of a run without it', () => {
    expect(before.slos).toEqual([]);
    expect(judge([added], { operations: calm(2_000) }).slos).toEqual([]);
  });

  it('is measured against the same operations of that arm', () => {
    const earlierArms = { before: before.references };
    const judged = (slowUs: number) =>
      judge([added], { operations: calm(slowUs), earlierArms }).slos;
    expect(judged(11_900)).toMatchObject([
      {
        verdict: 'pass',
        samples: TIMES,
        unit: 'us',
        limit: 10_000,
        scope: 'read in the judged phases, against the same in before',
      },
    ]);
    const [slow] = judged(14_000);
    expect(slow).toMatchObject({ id: 'added', verdict: 'fail' });
    expect(slow!.measured).toBeGreaterThan(11_900);
  });

  it('ends a run with 99 when it is missed, and with 97 when the earlier arm saw too little', () => {
    const exitOf = (operations: SloInput['operations'], than: SloInput['operations']) => {
      const earlierArms = { before: judge([added], { operations: than }).references };
      const { slos } = judge([added], { operations, earlierArms });
      const evidence = { expected: 'pass', mustFail: [], slos, invariants: [] } as const;
      const judged = judgeArm({ ...evidence, validity: [], documented: [] });
      return judgeRun([{ ...judged, name: 'after', expected: 'pass' }]);
    };
    expect(exitOf(calm(3_000), calm(2_000)).exitCode).toBe(0);
    expect(exitOf(calm(14_000), calm(2_000))).toMatchObject({
      exitCode: 99,
      failed: ['after.slo.added'],
    });
    expect(exitOf(calm(3_000), calm(2_000).slice(0, 3)).exitCode).toBe(97);
  });
});

describe('a quantile near its limit', () => {
  const SLOW = 20;
  /** 400 answers in 2 ms, but 20 of 20, 21, ... 39 ms, spread over the phase; all of them `factor` times as long. */
  const tailed = (phase: string, factor: number) =>
    logicalOperations(
      Array.from({ length: TIMES }, (_, id) => {
        const scheduledUs = id * 10_000;
        const turn = id / SLOW;
        const rank = turn < SLOW / 2 ? 2 * turn : 2 * turn - SLOW + 1;
        const latencyUs = id % SLOW === 0 ? 20_000 + rank * 1_000 : 2_000;
        return operation(id, { phase, scheduledUs, doneUs: scheduledUs + factor * latencyUs });
      }),
    );
  const verdictOf = (objective: string, factor: number, baseline?: string) => {
    const slo: Slo = { id: 'p99', objective, phases: ['storm'], ...(baseline && { baseline }) };
    const operations = [...tailed('calm', 1), ...tailed('storm', factor)];
    return judge([slo], { operations, judged: ['calm', 'storm'] }).slos[0]!;
  };

  it('is judged with the bounds of its own samples', () => {
    expect(verdictOf('latency.p99 < 40ms', 1).verdict).toBe('pass');
    expect(verdictOf('latency.p99 < 33ms', 1)).toMatchObject({
      verdict: 'unknown',
      reason: expect.stringContaining('p99 of 400 samples is'),
    });
    expect(verdictOf('latency.p99 < 20ms', 1).verdict).toBe('fail');
  });

  it('is compared with the bounds of its baseline', () => {
    expect(verdictOf('latency.p99 <= 1.25x', 1.2, 'calm').verdict).toBe('pass');
    expect(verdictOf('latency.p99 <= 1.25x', 1.4, 'calm')).toMatchObject({
      verdict: 'unknown',
      reason: expect.stringContaining('against'),
    });
    expect(verdictOf('latency.p99 <= 1.25x', 3, 'calm').verdict).toBe('fail');
  });
});

describe('an error ratio', () => {
  const errors: Slo = { id: 'errors', objective: 'errors < 0.1%' };
  const ofSteps = Array.from({ length: 4_000 }, (_, id) =>
    operation(id, { phase: `step-${1 + Math.floor(id / 2_000)}` }),
  );
  const step = (verdict: LoadStep['verdict'], repeats?: number): LoadStep => ({
    offeredPerSecond: 500,
    achievedPerSecond: 500,
    latency: summarize([1_000]),
    errorRatio: 0,
    lagP99Us: 0,
    verdict,
    ...(repeats !== undefined && { repeats }),
  });
  const samplesOf = (steps: readonly LoadStep[]) =>
    judge([errors], { operations: logicalOperations(ofSteps), steps }).slos[0]!.samples;

  it('counts the operations of the steps that held, a proof among them, and of no other', () => {
    expect(samplesOf([step('pass'), step('pass', 0)])).toBe(4_000);
    expect(samplesOf([step('fail'), step('pass', 0)])).toBe(2_000);
    expect(samplesOf([step('pass'), step('fail', 0)])).toBe(0);
  });
});

describe("an objective on the service's own histogram", () => {
  const wait: Slo = { id: 'wait', objective: 'metric.wait_seconds.p99 < 10ms' };
  const gained = (below: number): MetricRecord => ({
    kind: 'metric',
    name: 'wait_seconds',
    phase: 'calm',
    process: 'gateway',
    counts: { '0.01': below, '0.1': 1_000, Infinity: 1_000 },
  });

  it('is judged from the history', () => {
    const [pass, fail, none] = [[gained(990)], [gained(989)], []].map(
      (history) => judge([wait], { history }).slos[0],
    );
    expect(pass).toMatchObject({ verdict: 'pass', samples: 1_000 });
    expect(fail).toMatchObject({ verdict: 'fail' });
    expect(none).toMatchObject({ verdict: 'unknown', measured: null });
  });

  it('says which histograms a phase is to be read for', () => {
    const inStorm: Slo = { ...wait, id: 'storm', phases: ['storm'] };
    const other: Slo = { id: 'other', objective: 'metric.other_seconds.p50 < 1s' };
    expect(metricsIn([wait, other], { name: 'calm', judged: true })).toEqual([
      'wait_seconds',
      'other_seconds',
    ]);
    expect(metricsIn([wait], { name: 'warm-up', judged: false })).toEqual([]);
    expect(metricsIn([wait, inStorm], { name: 'storm' })).toEqual(['wait_seconds']);
  });
});

describe('a missed error ratio', () => {
  const slo: Slo = { id: 'errors', objective: 'errors < 1%' };
  const failing = (share: number, fields: Partial<OperationRecord>) =>
    calm(2_000).map((one) =>
      one.id < TIMES * share ? { ...one, outcome: 'fail', ...fields } : one,
    );
  const judged = (...groups: readonly (readonly LogicalOperation[])[]) =>
    judge([slo], { operations: groups.flat() as readonly LogicalOperation[] }).slos[0]!;

  it.each([
    ['503s', { status: 503, error: 'http 503' }],
    ['timeouts', { outcome: 'unknown', status: 0, error: 'timeout' }],
    ['requests never sent', { status: 0, error: 'never sent' }],
  ] as const)('states what is left of it without %s', (_what, fields) => {
    const overload = failing(0.1, fields) as readonly LogicalOperation[];
    expect(judged(overload)).toMatchObject({ verdict: 'fail', measured: 0.1, withoutOverload: 0 });
    const wrong = failing(0.1, { status: 500, error: 'http 500' }) as readonly LogicalOperation[];
    expect(judged(overload, wrong)).toMatchObject({ measured: 0.1, withoutOverload: 0.05 });
    expect(judged(wrong)).not.toHaveProperty('withoutOverload');
  });

  it('says nothing of it while it holds', () => {
    expect(judged(calm(2_000))).not.toHaveProperty('withoutOverload');
  });
});
