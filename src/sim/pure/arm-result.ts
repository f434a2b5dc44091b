/**
 * One arm's result as a pure function of its history and of what was observed beside it.
 * Judged phases make the SLOs; every phase is drawn.
 */

import type { OperationRecord, PhaseRecord } from '../history.ts';
import type { ArmResult, DocumentedFigure, InvariantResult, PhaseSummary } from '../result.ts';
import type { Documented } from '../scenario.ts';
import type { ArmInput, ArmObservations } from './arm-input.ts';
import { type LogicalOperation, logicalOperations } from './attempts.ts';
import { lags } from './capacity.ts';
import { diagnose } from './diagnose.ts';
import { faultSummaries } from './fault-summary.ts';
import { LatencyHistogram, summarize } from './histogram.ts';
import { isError, judgeSlos, type SloReferences } from './judge-slos.ts';
import { recoveries, ruleFor } from './recovery.ts';
import { errorTimeline, heatMap, responseUs, type Span, spanOf, timeline } from './series.ts';
import { validityChecks } from './validity.ts';
import { type ArmJudgement, judgeArm } from './verdict.ts';

/** The finest that still has enough operations for a percentile, so that a fault of half a second can be seen. */
const BUCKETS_US = [250_000, 500_000, 1_000_000, 2_000_000, 5_000_000] as const;
const OPERATIONS_PER_BUCKET = 50;
/** Three arms of charts have to fit a page of 500 KB. */
const MOST_BUCKETS = 80;
const HEAT_MAP_COLUMNS = 60;

export function armResult(input: ArmInput): {
  result: ArmResult;
  judgement: ArmJudgement;
  references: SloReferences;
} {
  const { history, observed } = input;
  const attempts = history.filter((record) => record.kind === 'op');
  const operations = logicalOperations(attempts);
  const phases = history.filter((record) => record.kind === 'phase');
  const judgedPhases = phases.filter((phase) => phase.judged);
  const names = new Set(judgedPhases.map((phase) => phase.name));
  const judged = operations.filter((operation) => names.has(operation.phase));
  const shown = operations.map((operation) => asAnswered(operation, input.refusals));
  const shownJudged = shown.filter((operation) => names.has(operation.phase));
  const span = spanOf(judgedPhases) ?? spanOf(phases) ?? { startUs: 0, endUs: 1 };

  const latency = summarize(judged.map(responseUs));
  const { slos, references } = judgeSlos({
    ...{ slos: input.slos, history, operations, judged: [...names], earlier: input.earlier },
    ...{ steps: observed.capacity?.steps ?? [], costs: observed.costs },
  });
  const invariants: InvariantResult[] = input.invariants.map((invariant) => ({
    id: invariant.id,
    statement: invariant.statement,
    ...invariant.check(history),
  }));
  const faults = faultSummaries(history, input.plannedFaults, span);
  const sent = attempts.filter(({ phase }) => names.has(phase));
  const validity = validityChecks(input, { judged: sent, attempts, faults });
  const documented = input.documented.map((figure) => reproduce(figure, latency, observed));
  const judgement = judgeArm({
    expected: observed.expected,
    mustFail: observed.mustFail,
    mayFail: observed.mayFail,
    slos,
    invariants,
    validity,
    documented,
  });

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
    lag: { p99Us: summarize(lags(sent)).p99Us },
    offeredPerSecond: perSecond(judged.length, span),
    achievedPerSecond: perSecond(
      shownJudged.filter(({ outcome }) => outcome === 'ok').length,
      span,
    ),
    planned: observed.totals.planned,
    outcomes: countOutcomes(shownJudged),
    operations: byOperation(judged),
    errors: errorCauses(shown),
    noise: { halfMeanRatio: halfMeanRatio(judged, span) },
    slos,
    invariants,
    validity,
    documented,
    resources: withCpuPerOperation(observed, judged.length, span),
    recovery: recoveries({
      ...{ operations, faults, phases, baseline: input.baseline },
      rule: ruleFor(input.tolerance),
    }),
    phases: phases.map((phase) => summaryOf(phase, shown, observed.phaseNotes)),
    faults,
    costs: observed.costs,
    ...charts(shown, phases, shownJudged, span),
    resourceTimeline: observed.resourceTimeline,
    capacity: observed.capacity,
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

/** An operation that is there to be refused, and was, is no error: the invariants say whether it should have been. */
function asAnswered(operation: LogicalOperation, refusals: readonly string[]): LogicalOperation {
  return operation.outcome === 'fail' &&
    operation.status === 401 &&
    refusals.includes(operation.name)
    ? { ...operation, outcome: 'ok' }
    : operation;
}

function reproduce(
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

function charts(
  operations: readonly OperationRecord[],
  phases: readonly PhaseRecord[],
  judged: readonly OperationRecord[],
  span: Span,
): Pick<ArmResult, 'timeline' | 'spectrum' | 'heatMap' | 'errorTimeline'> {
  const whole = spanOf(phases) ?? span;
  const lengthUs = whole.endUs - whole.startUs;
  const leastUs = Math.min(1_000_000, (OPERATIONS_PER_BUCKET * lengthUs) / operations.length);
  const bucketUs =
    BUCKETS_US.find((us) => us >= leastUs && us >= lengthUs / MOST_BUCKETS) ?? BUCKETS_US.at(-1)!;
  return {
    timeline: { bucketUs, points: timeline(operations, whole, bucketUs) },
    spectrum: spectrumOf(judged),
    heatMap: judged.length === 0 ? null : heatMap(judged, span, HEAT_MAP_COLUMNS),
    errorTimeline: errorTimeline(operations, whole, bucketUs),
  };
}

function spectrumOf(operations: readonly OperationRecord[]): ArmResult['spectrum'] {
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

function byOperation(operations: readonly OperationRecord[]): ArmResult['operations'] {
  const names = [...new Set(operations.map(({ name }) => name))].sort();
  return Object.fromEntries(
    names.map((name) => [
      name,
      summarize(operations.filter((operation) => operation.name === name).map(responseUs)),
    ]),
  );
}

function errorCauses(operations: readonly OperationRecord[]): ArmResult['errors'] {
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

function summaryOf(
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
