/**
 * How much traffic an arm holds: steps of rising open load, each judged by the scenario's SLOs. When the load
 * generator lagged, the step says nothing about the platform and the search ends there, openly.
 */
import type { OperationRecord } from '../history.ts';
import type { Capacity, LoadStep } from '../result.ts';
import { summarize } from './histogram.ts';
import { responseUs, type Span } from './series.ts';
import { evaluateSlo, parseSlo } from './slo.ts';

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
    return { ...step, verdict: 'unknown', reason: 'the load generator lagged, not the platform' };
  }
  const broken = input.slos.filter(({ id, objective }) => {
    // One step alone is too short to prove a small error ratio; here the observed ratio decides, and the
    // arm's own `errors` SLO is judged over all steps together.
    const { indicator, limit } = parseSlo(objective);
    if (indicator === 'errors') return errorRatio >= limit;
    const data = { latency, errors: { failed, total: operations.length } };
    return evaluateSlo(id, objective, data).verdict !== 'pass';
  });
  if (broken.length === 0) return { ...step, verdict: 'pass' };
  return { ...step, verdict: 'fail', reason: `${broken.map(({ id }) => id).join(', ')} missed` };
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
  return operations
    .filter((operation) => operation.sentUs >= 0)
    .map((operation) => operation.sentUs - operation.scheduledUs);
}
