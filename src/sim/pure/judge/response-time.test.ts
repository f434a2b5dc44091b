/**
 * Issue 12, number 7. Response times of 12,000 operations from a generator that sends late: every figure of the result
 * counts from the scheduled instant, over every operation, with its retries. Regressions are planted as the records
 * that such a judge would in effect read: the assertion that the real one passes must tell them apart.
 */
import { describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../history.ts';
import type { LatencySummary } from '../../result.ts';
import type { Slo } from '../../scenario.ts';
import { summaryDifferences } from '../fixtures/known-tail.ts';
import {
  type LaggingHistory,
  laggingSends,
  retriedSends,
  SERVICE_US,
} from '../fixtures/lagging-history.ts';
import { countedBySender, NOTHING_OBSERVED } from '../fixtures/recorded-history.ts';
import { summarize } from '../measure/histogram.ts';
import { timeline } from '../measure/series.ts';
import { armResult } from './arm-result.ts';
import { judgeStep, sendLagsUs } from './capacity.ts';
import { judgeSlos } from './judge-slos.ts';
import { selectViews } from './record-views.ts';

const COUNT = 12_000;
/** What each SLO measures, by the figure of the summary that it must be. */
const SLOS = {
  mean: 'meanUs',
  p50: 'p50Us',
  p95: 'p95Us',
  p99: 'p99Us',
  p999: 'p999Us',
  max: 'maxUs',
} as const;
const slos = Object.keys(SLOS).map((id): Slo => ({ id, objective: `latency.${id} < 1us` }));

const resultOf = (records: readonly OperationRecord[], { phase }: LaggingHistory) =>
  armResult({
    history: [phase, ...records],
    slos,
    invariants: [],
    documented: [],
    lagLimitUs: 20_000,
    culprit: null,
    plannedFaults: [],
    expectedRefusals: [],
    tolerance: null,
    baseline: null,
    earlierArms: {},
    failingPerSecond: null,
    observed: {
      design: 'turn1.after',
      description: '',
      expected: 'pass',
      mustFail: [],
      ...NOTHING_OBSERVED,
      search: null,
      totals: countedBySender([], COUNT),
      timedFromSend: false,
    },
  }).result;

/** Every figure of a result that states a response time, compared with what it is known to be. */
function differences(records: readonly OperationRecord[], history: LaggingHistory): string[] {
  const { truth } = history;
  const result = resultOf(records, history);
  const named = (name: string, measured: LatencySummary | undefined) =>
    measured === undefined
      ? [`${name} is missing`]
      : summaryDifferences(measured, truth).map((text) => `${name}: ${text}`);
  const measured = Object.fromEntries(result.slos.map((slo) => [slo.id, slo.measured ?? -1]));
  const bySlo = Object.entries(SLOS).map(([id, figure]) => [figure, measured[id]!]);
  return [
    ...named('latency', result.latency),
    ...named('operation', result.operations.read),
    ...named('phase', result.phases[0]?.load?.latency),
    ...named('SLOs', { ...Object.fromEntries(bySlo), count: truth.count } as LatencySummary),
    ...(result.spectrum.at(-1)?.valueUs === truth.maxUs
      ? []
      : ['spectrum does not end at the maximum']),
  ];
}

type Read = (records: readonly OperationRecord[]) => readonly OperationRecord[];
const wasSent = ({ sentUs }: OperationRecord) => sentUs >= 0;
const isFirst = ({ retryOf }: OperationRecord) => retryOf === undefined;
const standsAlone: Read = (records) =>
  records.map(({ retryOf: _, attempt: __, ...alone }) => alone);
const bySlowness = (records: readonly OperationRecord[]) =>
  records.toSorted((a, b) => a.doneUs - a.scheduledUs - (b.doneUs - b.scheduledUs));

const wrongReads: Readonly<Record<string, Read>> = {
  'the response time counts from the send': (records) =>
    records.map((one) => (wasSent(one) ? { ...one, scheduledUs: one.sentUs } : one)),
  'the largest 0.1 % are dropped': (records) =>
    bySlowness(records).slice(0, records.length * 0.999),
  'the largest 1 % are dropped': (records) => bySlowness(records).slice(0, records.length * 0.99),
  'the first 10,000 are read': (records) => records.slice(0, 10_000),
  'the last 10,000 are read': (records) => records.slice(-10_000),
  'every tenth is read': (records) => records.filter((_, index) => index % 10 === 0),
  'the slowest one is dropped': (records) => bySlowness(records).slice(0, -1),
};
const wrongRetryReads: Readonly<Record<string, Read>> = {
  'each attempt is an operation of its own': standsAlone,
  'only first attempts are read': (records) => records.filter(isFirst),
  'only last attempts are read, from their own schedule': (records) => {
    const last = new Map(records.map((one) => [one.retryOf ?? one.id, one]));
    return standsAlone([...last.values()]);
  },
  'the wait between attempts is left out': (records) => {
    const busyUs = new Map<number, number>();
    for (const { id, retryOf = id, doneUs, scheduledUs } of records)
      busyUs.set(retryOf, (busyUs.get(retryOf) ?? 0) + doneUs - scheduledUs);
    return standsAlone(
      records
        .filter(isFirst)
        .map((one) => ({ ...one, doneUs: one.scheduledUs + busyUs.get(one.id)! })),
    );
  },
  'what was never sent is left out': (records) => records.filter(wasSent),
  'what failed is left out': (records) => records.filter(({ outcome }) => outcome !== 'fail'),
};

describe('Arithmetic: response times of late sends', () => {
  const history = laggingSends(COUNT);
  const { records, truth } = history;

  it('are the same in every figure of the result, whatever the order of arrivals', () => {
    expect(differences(records, history)).toEqual([]);
    for (const order of ['rising', 'falling'] as const) {
      const ordered = laggingSends(COUNT, order);
      expect(differences(ordered.records, ordered)).toEqual([]);
    }
  });

  it.each(Object.entries(wrongReads))('are told apart from those in which %s', (_, read) => {
    expect(differences(read(records), history)).not.toEqual([]);
  });

  it('leave the service time and the lag apart', () => {
    const { serviceTime, lag } = resultOf(records, history);
    const { p50Us, p95Us, p99Us, p999Us, maxUs, count } = serviceTime;
    expect([p50Us, p95Us, p99Us, p999Us, maxUs]).toEqual(Array(5).fill(SERVICE_US));
    expect(count).toBe(COUNT);
    expect(Math.abs(lag.p99Us - (truth.p99Us - SERVICE_US))).toBeLessThanOrEqual(
      truth.p99Us / 1_000,
    );
  });

  it('tell a late generator from a late service', () => {
    const lags = summarize(sendLagsUs(records));
    expect(lags.count).toBe(COUNT);
    const { validity } = resultOf(records, history);
    expect(validity.find(({ id }) => id === 'send-lag')?.ok).toBe(false);
    // Counted from the send instead, the same generator looks punctual.
    const wrong = wrongReads['the response time counts from the send']!(records);
    expect(resultOf(wrong, history).validity.find(({ id }) => id === 'send-lag')?.ok).toBe(true);
  });

  it('are those of a step of the capacity search', () => {
    const { phase } = history;
    const step = (given: readonly OperationRecord[]) =>
      judgeStep({ span: phase, operations: given, slos, lagLimitUs: 1e9 });
    expect(summaryDifferences(step(records).latency, truth)).toEqual([]);
    for (const planted of Object.values(wrongReads))
      expect(summaryDifferences(step(planted(records)).latency, truth)).not.toEqual([]);
  });

  it('are those of the timeline, when it is one bucket', () => {
    const { phase } = history;
    const [point] = timeline(records, phase, phase.endUs + 1);
    expect(Math.abs(point!.p50Us! - truth.p50Us)).toBeLessThanOrEqual(truth.p50Us / 100);
    expect(Math.abs(point!.p99Us! - truth.p99Us)).toBeLessThanOrEqual(truth.p99Us / 100);
  });
});

describe('Arithmetic: response times of retried operations', () => {
  const history = retriedSends(COUNT);
  const { records } = history;

  it('count from the first schedule to the last answer, and once for each operation', () => {
    expect(records.length).toBeGreaterThan(COUNT);
    expect(differences(records, history)).toEqual([]);
    // A retry may be written before the attempt that it repeats.
    expect(differences(records.toReversed(), history)).toEqual([]);
  });

  it.each(Object.entries({ ...wrongReads, ...wrongRetryReads }))(
    'are told apart from those in which %s',
    (_, read) => {
      expect(differences(read(records), history)).not.toEqual([]);
    },
  );
});

describe('Arithmetic: the reference that a relative objective is measured against', () => {
  it('has the same figures', () => {
    const { records, phase, truth } = laggingSends(COUNT);
    const { operations, judgedNames } = selectViews({
      history: [phase, ...records],
      expectedRefusals: [],
    });
    const slo: Slo = { id: 'added', objective: 'latency.p99 < before + 1ms' };
    const judged = [...judgedNames];
    const input = { slos: [slo], history: [], operations, judged, steps: [], costs: [] };
    const { references } = judgeSlos({ ...input, earlierArms: {} });
    const { latency, halves } = references.added!;
    expect(summaryDifferences(latency, truth)).toEqual([]);
    expect(halves[0].count + halves[1].count).toBe(COUNT);
    expect(judgeSlos({ ...input, earlierArms: { before: references } }).slos[0]?.measured).toBe(0);
  });
});
