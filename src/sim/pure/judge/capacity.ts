/**
 * Capacity of an arm: steps of open load, each judged by the scenario's SLOs. A step that repeats an earlier one
 * replaces its verdict. A step in which the load generator lagged has verdict unknown.
 */
import type { OperationRecord, PhaseRecord } from '../../history.ts';
import type { Capacity, LatencySummary, LoadStep } from '../../result.ts';
import { summarize } from '../measure/histogram.ts';
import { responseUs, type Span } from '../measure/series.ts';
import type { SearchStep } from './measurements.ts';
import { evaluateSlo, isLoadOnly, parseSlo } from './slo.ts';

export interface StepInput {
  readonly span: Span;
  readonly operations: readonly OperationRecord[];
  readonly slos: readonly { readonly id: string; readonly objective: string }[];
  readonly lagLimitUs: number;
}

/** Judges the steps of a search from the history, which has the operations of each in a phase of its own. */
export function judgeSearch(
  search: readonly SearchStep[],
  {
    phases,
    attempts,
    ...rules
  }: Pick<StepInput, 'slos' | 'lagLimitUs'> & {
    readonly phases: readonly PhaseRecord[];
    readonly attempts: readonly OperationRecord[];
  },
): LoadStep[] {
  return search.flatMap(({ durationMs, repeats }, index) => {
    const phase = phases.find(({ name }) => name === stepPhase(index));
    if (phase === undefined) return [];
    const { name, startUs } = phase;
    const step = judgeStep({
      ...rules,
      span: { startUs, endUs: startUs + durationMs * 1_000 },
      operations: attempts.filter((attempt) => attempt.phase === name),
    });
    return [repeats === null ? step : { ...step, repeats }];
  });
}

export function judgeStep(input: StepInput): LoadStep {
  const { operations, span } = input;
  const latency = summarize(operations.map(responseUs));
  const failed = operations.filter((operation) => operation.outcome !== 'ok').length;
  const lagP99Us = summarize(sendLagsUs(operations)).p99Us;
  const errorRatio = operations.length === 0 ? 1 : failed / operations.length;
  const seconds = (span.endUs - span.startUs) / 1e6;
  const answeredInStep = operations.filter(
    (operation) => operation.outcome === 'ok' && operation.doneUs <= span.endUs,
  ).length;
  const step = {
    offeredPerSecond: Math.round(operations.length / seconds),
    achievedPerSecond: Math.round(answeredInStep / seconds),
    latency,
    errorRatio,
    lagP99Us,
  };
  if (lagP99Us > input.lagLimitUs) {
    // A late generator explains a miss only if the latency counted from the actual send holds the SLO.
    const missed = missedSlos(
      input,
      summarize(operations.filter(wasSent).map(serviceTimeUs)),
      failed,
    );
    return missed === ''
      ? { ...step, verdict: 'unknown', reason: 'the load generator lagged, not the platform' }
      : { ...step, verdict: 'fail', reason: `${missed} missed, also counted from the actual send` };
  }
  const missed = missedSlos(input, latency, failed);
  if (missed === '') return { ...step, verdict: 'pass' };
  return { ...step, verdict: 'fail', reason: `${missed} missed` };
}

/** Ids of the SLOs that this latency and these errors break, joined; empty when all hold. */
function missedSlos(
  { slos, operations }: StepInput,
  latency: LatencySummary,
  failed: number,
): string {
  const total = operations.length;
  const missed = slos.filter(({ id, objective }) => {
    // One step is too short to prove a small error ratio: the observed ratio decides here, and the arm's `errors` SLO
    // is judged over all passing steps together.
    const slo = parseSlo(objective);
    const { indicator, limit } = slo;
    // Costs, comparisons and service metrics are judged in the judged phases only.
    if (!isLoadOnly(slo)) return false;
    if (indicator === 'errors') return total === 0 || failed / total >= limit;
    return evaluateSlo(id, objective, { latency, errors: { failed, total } }).verdict !== 'pass';
  });
  return missed.map(({ id }) => id).join(', ');
}

/** Whether no later step repeats this one. */
function isFinalAttempt(steps: readonly LoadStep[], index: number): boolean {
  return !steps.some(({ repeats }) => repeats === index);
}

/** Indexes of the steps that passed and whose repeats, if any, passed too. */
export function passingSteps(steps: readonly LoadStep[]): number[] {
  const isPassing = (index: number): boolean => {
    const repeat = steps.findIndex(({ repeats }) => repeats === index);
    return steps[index]!.verdict === 'pass' && (repeat === -1 || isPassing(repeat));
  };
  return [...steps.keys()].filter(isPassing);
}

/** `failingPerSecond`: a rate at which `before` missed its SLO. */
export function capacityOf(steps: readonly LoadStep[], failingPerSecond: number | null): Capacity {
  const finalAttempts = steps.filter((_, index) => isFinalAttempt(steps, index));
  const rates = (verdict: LoadStep['verdict']) =>
    finalAttempts.filter((step) => step.verdict === verdict).map((step) => step.offeredPerSecond);
  const held = rates('pass');
  const broke = rates('fail');
  const holdsPerSecond = held.length === 0 ? null : Math.max(...held);
  const timesBefore =
    holdsPerSecond === null || failingPerSecond === null || failingPerSecond <= 0
      ? null
      : holdsPerSecond / failingPerSecond;
  return {
    steps,
    holdsPerSecond,
    breaksPerSecond: broke.length === 0 ? null : Math.min(...broke),
    timesBefore,
    note: [
      describeLimit(finalAttempts),
      ...describeRepeats(steps),
      ...(timesBefore === null
        ? []
        : [
            `before already breaks its SLO at ${failingPerSecond!.toFixed(1)}/s, so the factor is a lower bound`,
          ]),
    ].join('; '),
  };
}

/** Where the search ended, from the final attempt at each rate. */
function describeLimit(finalAttempts: readonly LoadStep[]): string {
  const byRate = finalAttempts.toSorted((a, b) => a.offeredPerSecond - b.offeredPerSecond);
  const broke = byRate.find(({ verdict }) => verdict === 'fail');
  if (broke !== undefined) return `breaks at ${broke.offeredPerSecond}/s (${broke.reason})`;
  const open = byRate.find(({ verdict }) => verdict === 'unknown');
  return open === undefined
    ? 'the search ended before an SLO broke'
    : `the search ended at ${open.offeredPerSecond}/s: ${open.reason}`;
}

/** One clause for each repeated step. */
function describeRepeats(steps: readonly LoadStep[]): string[] {
  return steps.flatMap((step) => {
    const first = step.repeats === undefined ? undefined : steps[step.repeats];
    if (first === undefined) return [];
    const at = `${first.offeredPerSecond}/s`;
    if (first.verdict === 'pass') {
      const count = step.latency.count.toLocaleString('en');
      return step.verdict === 'pass'
        ? [`${at} held again over ${count} operations`]
        : [`${at} held once and broke over ${count} operations`];
    }
    return step.verdict === 'pass'
      ? [`${at} held at the second attempt`]
      : [`${at} was tried twice`];
  });
}

/** Send lag of every operation that was sent. */
export function sendLagsUs(operations: readonly OperationRecord[]): number[] {
  return operations.filter(wasSent).map((operation) => operation.sentUs - operation.scheduledUs);
}

function wasSent({ sentUs }: OperationRecord): boolean {
  return sentUs >= 0;
}

function serviceTimeUs({ doneUs, sentUs }: OperationRecord): number {
  return doneUs - sentUs;
}

/** Phase name of a step in the history. */
export function stepPhase(index: number): string {
  return `step-${index + 1}`;
}
