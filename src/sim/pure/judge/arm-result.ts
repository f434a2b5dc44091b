/**
 * One arm's result, from its history and what was observed beside it. SLOs are measured over the judged phases; charts
 * show every phase.
 */
import type { HistoryRecord, OperationRecord, PhaseRecord } from '../../history.ts';
import type { ArmResult, DocumentedFigure, PhaseSummary, RecordKind } from '../../result.ts';
import type { Documented } from '../../scenario.ts';
import { faultSummaries } from '../faults/fault-summary.ts';
import { recoveries, recoveryRule } from '../faults/recovery.ts';
import { LatencyHistogram, summarize } from '../measure/histogram.ts';
import type { LogicalOperation } from '../measure/logical-operations.ts';
import {
  errorTimeline,
  heatMap,
  responseUs,
  type Span,
  spanOf,
  timeline,
} from '../measure/series.ts';
import type { ArmInput, ArmObservations } from './arm-input.ts';
import { capacityOf, judgeSearch, sendLagsUs } from './capacity.ts';
import { checkInvariant } from './check-invariant.ts';
import { diagnose } from './diagnose.ts';
import { isError, judgeSlos, type SloReferences } from './judge-slos.ts';
import { type RecordViews, selectViews } from './record-views.ts';
import { validityChecks } from './validity.ts';
import { type ArmJudgement, judgeArm } from './verdict.ts';

/** Bucket sizes of the timeline; the smallest with enough operations for a percentile is used. */
const BUCKETS_US = [250_000, 500_000, 1_000_000, 2_000_000, 5_000_000] as const;
const OPERATIONS_PER_BUCKET = 50;
/** Keeps the charts of three arms within a page of 500 KB. */
const MAX_BUCKETS = 80;
const HEAT_MAP_COLUMNS = 60;

export function armResult(input: ArmInput): {
  result: ArmResult;
  judgement: ArmJudgement;
  references: SloReferences;
} {
  const { observed } = input;
  const views = selectViews(input);
  const { operations, judgedAttempts, judged, shown, shownJudged, phases, span } = views;
  const latency = summarize(judged.map(responseUs));
  const { judgement, references, ...evidence } = judgeViews(input, views, latency);
  const result: ArmResult = {
    design: observed.design,
    description: observed.description,
    expected: observed.expected,
    verdict: judgement.verdict,
    reason: judgement.reason,
    latency,
    serviceTime: summarize(
      judged.filter(({ sentUs }) => sentUs >= 0).map(({ doneUs, sentUs }) => doneUs - sentUs),
    ),
    lag: { p99Us: summarize(sendLagsUs(judgedAttempts)).p99Us },
    offeredPerSecond: perSecond(judged.length, span),
    achievedPerSecond: perSecond(
      shownJudged.filter(({ outcome }) => outcome === 'ok').length,
      span,
    ),
    planned: observed.totals.planned,
    sender: selectSender(observed),
    records: countRecords(input.history),
    outcomes: countOutcomes(shownJudged),
    operations: summarizeByOperation(judged),
    errors: countErrorCauses(shown),
    noise: { halfMeanRatio: halfMeanRatio(judged, span) },
    slos: evidence.slos,
    invariants: evidence.invariants,
    validity: evidence.validity,
    documented: evidence.documented,
    resources: withCpuPerOperation(observed, judged.length, span),
    recovery: recoveries({
      operations,
      faults: evidence.faults,
      phases,
      baseline: input.baseline,
      rule: recoveryRule(input.tolerance),
    }),
    phases: phases.map((phase) => summarizePhase(phase, shown, observed.phaseNotes)),
    faults: evidence.faults,
    costs: observed.costs,
    ...buildCharts(shown, phases, shownJudged, span),
    resourceTimeline: observed.resourceTimeline,
    capacity: evidence.capacity,
    diagnosis:
      observed.evidence === null || input.culprit === null
        ? null
        : diagnose({
            ...observed.evidence,
            culprit: input.culprit,
            operations: judged.length,
            databaseCpuPercent: observed.databaseCpuPercent,
            latencyP99Us: latency.p99Us,
          }),
    calibration: observed.calibration,
  };
  return { result, judgement, references };
}

function judgeViews(
  input: ArmInput,
  { attempts, judgedAttempts, operations, judgedNames, phases, span }: RecordViews,
  latency: ArmResult['latency'],
): Pick<ArmResult, 'slos' | 'invariants' | 'validity' | 'documented' | 'faults' | 'capacity'> & {
  readonly judgement: ArmJudgement;
  readonly references: SloReferences;
} {
  const { history, observed, lagLimitUs } = input;
  const capacity =
    observed.search === null
      ? null
      : capacityOf(
          judgeSearch(observed.search, { phases, attempts, slos: input.slos, lagLimitUs }),
          input.failingPerSecond,
        );
  const { slos, references } = judgeSlos({
    slos: input.slos,
    history,
    operations,
    judged: [...judgedNames],
    earlierArms: input.earlierArms,
    steps: capacity?.steps ?? [],
    costs: observed.costs,
  });
  const { limits = [] } = observed;
  const invariants = input.invariants.map((one) => checkInvariant(one, history, limits));
  const faults = faultSummaries(history, input.plannedFaults, span);
  const validity = validityChecks(input, { judged: judgedAttempts, attempts, faults });
  const documented = input.documented.map((figure) => compareDocumented(figure, latency, observed));
  const { expected, mustFail, mayFail } = observed;
  const judgement = judgeArm({
    expected,
    mustFail,
    mayFail,
    slos,
    invariants,
    validity,
    documented,
  });
  return { slos, invariants, validity, documented, faults, capacity, judgement, references };
}

function selectSender({ totals }: ArmObservations): ArmResult['sender'] {
  const { recorded, retries, scheduleDigest } = totals;
  return { recorded, retries, scheduleDigest };
}

function countRecords(history: readonly HistoryRecord[]): ArmResult['records'] {
  const counts = { op: 0, phase: 0, fault: 0, effect: 0, arrival: 0, metric: 0, rest: 0 };
  for (const { kind } of history) if (kind in counts) counts[kind as RecordKind] += 1;
  return counts;
}

function compareDocumented(
  figure: Documented,
  latency: ArmResult['latency'],
  observed: ArmObservations,
): DocumentedFigure {
  const { indicator, value, ...rest } = figure;
  const reproduced =
    indicator === 'cpu.postgres'
      ? observed.databaseCpuPercent
      : latency.count === 0
        ? null
        : indicator === 'latency.mean'
          ? latency.meanUs
          : latency.p99Us;
  const verdict =
    reproduced === null
      ? 'unknown'
      : reproduced >= figure.low && reproduced <= figure.high
        ? 'pass'
        : 'fail';
  return { ...rest, documented: value, reproduced, verdict };
}

function buildCharts(
  operations: readonly OperationRecord[],
  phases: readonly PhaseRecord[],
  judged: readonly OperationRecord[],
  span: Span,
): Pick<ArmResult, 'timeline' | 'spectrum' | 'heatMap' | 'errorTimeline'> {
  const whole = spanOf(phases) ?? span;
  const lengthUs = whole.endUs - whole.startUs;
  const leastUs = Math.min(1_000_000, (OPERATIONS_PER_BUCKET * lengthUs) / operations.length);
  const bucketUs =
    BUCKETS_US.find((us) => us >= leastUs && us >= lengthUs / MAX_BUCKETS) ?? BUCKETS_US.at(-1)!;
  return {
    timeline: { bucketUs, points: timeline(operations, whole, bucketUs) },
    spectrum: buildSpectrum(judged),
    heatMap: judged.length === 0 ? null : heatMap(judged, span, HEAT_MAP_COLUMNS),
    errorTimeline: errorTimeline(operations, whole, bucketUs),
  };
}

function buildSpectrum(operations: readonly OperationRecord[]): ArmResult['spectrum'] {
  const histogram = new LatencyHistogram();
  for (const operation of operations) histogram.record(responseUs(operation));
  return histogram.spectrum();
}

function perSecond(count: number, span: Span): number {
  return count / ((span.endUs - span.startUs) / 1e6);
}

function countOutcomes(operations: readonly OperationRecord[]): ArmResult['outcomes'] {
  const counts = { ok: 0, fail: 0, unknown: 0 };
  for (const { outcome } of operations) counts[outcome] += 1;
  return counts;
}

function summarizeByOperation(operations: readonly OperationRecord[]): ArmResult['operations'] {
  const names = [...new Set(operations.map(({ name }) => name))].sort();
  return Object.fromEntries(
    names.map((name) => [
      name,
      summarize(operations.filter((operation) => operation.name === name).map(responseUs)),
    ]),
  );
}

function countErrorCauses(operations: readonly OperationRecord[]): ArmResult['errors'] {
  const counts = new Map<string, number>();
  for (const { outcome, error, status } of operations) {
    if (outcome === 'ok') continue;
    const cause = error ?? `http ${status}`;
    counts.set(cause, (counts.get(cause) ?? 0) + 1);
  }
  return [...counts].map(([cause, count]) => ({ cause, count })).sort((a, b) => b.count - a.count);
}

function halfMeanRatio(operations: readonly OperationRecord[], span: Span): number | null {
  const middleUs = (span.startUs + span.endUs) / 2;
  const first = summarize(operations.filter((o) => o.scheduledUs < middleUs).map(responseUs));
  const second = summarize(operations.filter((o) => o.scheduledUs >= middleUs).map(responseUs));
  return first.count === 0 || second.count === 0 || first.meanUs === 0
    ? null
    : second.meanUs / first.meanUs;
}

function withCpuPerOperation(
  { resources }: ArmObservations,
  operations: number,
  span: Span,
): ArmResult['resources'] {
  const seconds = (span.endUs - span.startUs) / 1e6;
  return Object.fromEntries(
    Object.entries(resources).map(([name, usage]) => [
      name,
      {
        ...usage,
        cpuUsPerOperation:
          operations === 0 ? null : Math.round((usage.cpuPercent * 1e4 * seconds) / operations),
      },
    ]),
  );
}

function summarizePhase(
  phase: PhaseRecord,
  operations: readonly LogicalOperation[],
  notes: Readonly<Record<string, string>>,
): PhaseSummary {
  const { name, startUs, endUs, judged } = phase;
  const own = operations.filter((operation) => operation.phase === name);
  const attempts = own.reduce((sum, operation) => sum + operation.attempts, 0);
  const load =
    own.length === 0
      ? null
      : {
          latency: summarize(own.map(responseUs)),
          errorRatio: own.filter(isError).length / own.length,
          attemptsPerOperation: attempts / own.length,
        };
  return { name, startUs, endUs, judged, note: notes[name] ?? '', load };
}
