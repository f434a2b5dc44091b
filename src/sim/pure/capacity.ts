/**
 * How much traffic an arm holds: steps of open load, each judged by the scenario's SLOs. A step may repeat an earlier
 * one, and then decides in its place. When the load generator lagged, the step says nothing about the platform and
 * the search ends there, openly.
 */
import type { OperationRecord } from '../history.ts';
import type { Capacity, LatencySummary, LoadStep } from '../result.ts';
import { summarize } from './histogram.ts';
import { responseUs, type Span } from './series.ts';
import { evaluateSlo, isOfLoad, parseSlo } from './slo.ts';

export interface StepInput {
  readonly offeredPerSecond: number;
  readonly span: Span;
  readonly operations: readonly OperationRecord[];
  readonly slos: readonly { readonly id: string; readonly objective: string }[];
  readonly lagLimitUs: number;
}

export function judgeStep(input: StepInput): LoadStep {
  const { operations, span } = input;
  const latency = summarize(operations.map(responseUs));
  const failed = operations.filter((operation) => operation.outcome !== 'ok').length;
  const lagP99Us = summarize(lags(operations)).p99Us;
  const errorRatio = operations.length === 0 ? 1 : failed / operations.length;
  const seconds = (span.endUs - span.startUs) / 1e6;
  const inTime = operations.filter(
    (operation) => operation.outcome === 'ok' && operation.doneUs <= span.endUs,
  ).length;
  const step = {
    offeredPerSecond: Math.round(operations.length / seconds),
    achievedPerSecond: Math.round(inTime / seconds),
    latency,
    errorRatio,
    lagP99Us,
  };
  if (lagP99Us > input.lagLimitUs) {
    // Late sends alone do not blame the platform. When it misses its SLO even from the actual send, they do not excuse it.
    const missed = missedSlos(input, summarize(operations.filter(wasSent).map(serviceUs)), failed);
    return missed === ''
      ? { ...step, verdict: 'unknown', reason: 'the load generator lagged, not the platform' }
      : { ...step, verdict: 'fail', reason: `${missed} missed, even from the actual send` };
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
    // One step alone is too short to prove a small error ratio; here the observed ratio decides, and the
    // arm's own `errors` SLO is judged over all steps together.
    const slo = parseSlo(objective);
    const { indicator, limit } = slo;
    // Work, other arms and the service's own histograms are looked at in the judged phases alone.
    if (!isOfLoad(slo)) return false;
    if (indicator === 'errors') return total === 0 || failed / total >= limit;
    return evaluateSlo(id, objective, { latency, errors: { failed, total } }).verdict !== 'pass';
  });
  return missed.map(({ id }) => id).join(', ');
}

/** Is the step the last word on its rate? */
function isLast(steps: readonly LoadStep[], index: number): boolean {
  return !steps.some(({ repeats }) => repeats === index);
}

/** Indexes of the steps that held, and were not found broken when they were repeated. */
export function heldSteps(steps: readonly LoadStep[]): number[] {
  const holds = (index: number): boolean => {
    const repeated = steps.findIndex(({ repeats }) => repeats === index);
    return steps[index]!.verdict === 'pass' && (repeated === -1 || holds(repeated));
  };
  return [...steps.keys()].filter(holds);
}

/** `brokenPerSecond`: a rate at which `before` was measured outside its SLO. */
export function capacityOf(steps: readonly LoadStep[], brokenPerSecond: number | null): Capacity {
  const last = steps.filter((_, index) => isLast(steps, index));
  const rates = (verdict: LoadStep['verdict']) =>
    last.filter((step) => step.verdict === verdict).map((step) => step.offeredPerSecond);
  const held = rates('pass');
  const broke = rates('fail');
  const holdsPerSecond = held.length === 0 ? null : Math.max(...held);
  const timesBefore =
    holdsPerSecond === null || brokenPerSecond === null || brokenPerSecond <= 0
      ? null
      : holdsPerSecond / brokenPerSecond;
  return {
    steps,
    holdsPerSecond,
    breaksPerSecond: broke.length === 0 ? null : Math.min(...broke),
    timesBefore,
    note: [
      limitOf(last),
      ...repeated(steps),
      ...(timesBefore === null
        ? []
        : [
            `before already breaks its SLO at ${brokenPerSecond!.toFixed(1)}/s, so the factor is a lower bound`,
          ]),
    ].join('; '),
  };
}

/** Where the search ended, from the last attempt at each rate. */
function limitOf(last: readonly LoadStep[]): string {
  const byRate = last.toSorted((a, b) => a.offeredPerSecond - b.offeredPerSecond);
  const broke = byRate.find(({ verdict }) => verdict === 'fail');
  if (broke !== undefined) return `breaks at ${broke.offeredPerSecond}/s (${broke.reason})`;
  const open = byRate.find(({ verdict }) => verdict === 'unknown');
  return open === undefined
    ? 'the search ended before an SLO broke'
    : `the search ended at ${open.offeredPerSecond}/s: ${open.reason}`;
}

/** One clause for each step that was tried again. */
function repeated(steps: readonly LoadStep[]): string[] {
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
export function lags(operations: readonly OperationRecord[]): number[] {
  return operations.filter(wasSent).map((operation) => operation.sentUs - operation.scheduledUs);
}

function wasSent({ sentUs }: OperationRecord): boolean {
  return sentUs >= 0;
}

function serviceUs({ doneUs, sentUs }: OperationRecord): number {
  return doneUs - sentUs;
}

/** Name of the n-th step of rising load, as it stands in the history. */
export function stepPhase(index: number): string {
  return `step-${index + 1}`;
}
