/**
 * How much traffic an arm holds: steps of rising open load, each judged by the scenario's SLOs. When the load
 * generator lagged, the step says nothing about the platform and the search ends there, openly.
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

/** `brokenPerSecond`: a rate at which `before` was measured outside its SLO. */
export function capacityOf(steps: readonly LoadStep[], brokenPerSecond: number | null): Capacity {
  const held = steps.filter((step) => step.verdict === 'pass').map((step) => step.offeredPerSecond);
  const broke = steps.find((step) => step.verdict === 'fail');
  const holdsPerSecond = held.length === 0 ? null : Math.max(...held);
  const timesBefore =
    holdsPerSecond === null || brokenPerSecond === null || brokenPerSecond <= 0
      ? null
      : holdsPerSecond / brokenPerSecond;
  const end = steps.at(-1);
  const limit =
    broke !== undefined
      ? `breaks at ${broke.offeredPerSecond}/s (${broke.reason})`
      : end?.verdict === 'unknown'
        ? `the search ended at ${end.offeredPerSecond}/s: ${end.reason}`
        : 'the search ended before an SLO broke';
  const factor =
    timesBefore === null
      ? ''
      : `; before already breaks its SLO at ${brokenPerSecond!.toFixed(1)}/s, so the factor is a lower bound`;
  return {
    steps,
    holdsPerSecond,
    breaksPerSecond: broke?.offeredPerSecond ?? null,
    timesBefore,
    note: limit + factor,
  };
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
