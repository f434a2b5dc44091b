/**
 * Judges an arm's SLOs from its history, and returns the references that later arms compare with: the same operations in
 * the same phases. An objective that compares with an arm that has not run yet, or does not run, is omitted.
 */
import type { HistoryRecord } from '../../history.ts';
import type { Figure, LatencySummary, LoadStep, SloResult } from '../../result.ts';
import type { Slo } from '../../scenario.ts';
import { summarize } from '../measure/histogram.ts';
import type { LogicalOperation } from '../measure/logical-operations.ts';
import { metricIncrease } from '../measure/metric-increase.ts';
import { quantileBounds } from '../measure/quantile-bounds.ts';
import { responseUs } from '../measure/series.ts';
import { passingSteps, stepPhase } from './capacity.ts';
import { NO_FREE_USER } from './machine-limits.ts';
import {
  evaluateSlo,
  parseSlo,
  type ReferenceArm,
  type SloData,
  type SloReference,
} from './slo.ts';
import { scopeOf } from './slo-scope.ts';

/** By SLO. */
export type SloReferences = Readonly<Record<string, SloReference>>;
/** References measured by the arms that ran before. */
export type EarlierArms = Readonly<Partial<Record<ReferenceArm, SloReferences>>>;

export interface SloInput {
  readonly slos: readonly Slo[];
  readonly history: readonly HistoryRecord[];
  /** Retries folded into their operations. */
  readonly operations: readonly LogicalOperation[];
  /** Names of the judged phases. */
  readonly judged: readonly string[];
  readonly steps: readonly LoadStep[];
  readonly costs: readonly Figure[];
  readonly earlierArms: EarlierArms;
}

/** Latency over the judged phases; errors also over passing steps, since a small ratio needs many samples. */
export function judgeSlos(input: SloInput): { slos: SloResult[]; references: SloReferences } {
  const { operations, earlierArms } = input;
  const stepPhases = passingSteps(input.steps).map(stepPhase);
  const references: Record<string, SloReference> = {};
  const slos = input.slos.flatMap((slo): SloResult[] => {
    const { indicator, arm, metric } = parseSlo(slo.objective);
    const selected = operations.filter(({ name }) => slo.operations?.includes(name) ?? true);
    const inPhases = (phases: readonly string[]) =>
      selected.filter(({ phase }) => phases.includes(phase));
    const { id, objective, baseline, phases = input.judged } = slo;
    const measured = inPhases(phases);
    if (arm !== null) references[id] = summarizeReference(measured);
    const before = arm === null ? undefined : earlierArms[arm]?.[id];
    if (arm !== null && before === undefined) return [];
    const reference = baseline === undefined ? before : summarizeReference(inPhases([baseline]));
    const latenciesUs = measured.map(responseUs);
    const errorSample =
      slo.phases === undefined ? [...measured, ...inPhases(stepPhases)] : measured;
    const scope = scopeOf(slo);
    const result = evaluateSlo(id, objective, {
      latency: summarize(latenciesUs),
      bounds: quantileBounds(latenciesUs),
      errors: countErrors(errorSample),
      ...(indicator === 'cost' && { costs: input.costs }),
      ...(metric !== '' && { metric: metricIncrease(input.history, metric, phases) }),
      ...(reference && { reference }),
    });
    return [scope === undefined ? result : { ...result, scope }];
  });
  return { slos, references };
}

function summarizeReference(operations: readonly LogicalOperation[]): SloReference {
  const ordered = operations.toSorted((a, b) => a.scheduledUs - b.scheduledUs);
  const middle = ordered.length >> 1;
  const of = (some: readonly LogicalOperation[]): LatencySummary => summarize(some.map(responseUs));
  return {
    latency: of(ordered),
    bounds: quantileBounds(ordered.map(responseUs)),
    halves: [of(ordered.slice(0, middle)), of(ordered.slice(middle))],
  };
}

function countErrors(operations: readonly LogicalOperation[]): SloData['errors'] {
  const failed = operations.filter(isError);
  return {
    failed: failed.length,
    overloaded: failed.filter(isOverload).length,
    total: operations.length,
  };
}

/** What a service that has too little CPU answers, whoever took it. */
function isOverload({ status, error }: LogicalOperation): boolean {
  return status === 503 || error === 'timeout' || error === 'never sent' || error === NO_FREE_USER;
}

export function isError({ outcome }: LogicalOperation): boolean {
  return outcome !== 'ok';
}

/** Names of the service's histograms that SLOs measure in a phase. */
export function metricsIn(
  slos: readonly Slo[],
  phase: { readonly name: string; readonly judged?: boolean },
): string[] {
  const names = slos
    .filter(({ phases }) => phases?.includes(phase.name) ?? phase.judged === true)
    .map(({ objective }) => parseSlo(objective).metric);
  return [...new Set(names)].filter((name) => name !== '');
}
