/**
 * An arm's SLOs from its history. What a later arm may be compared with is kept beside the verdicts: the same
 * operations in the same phases, so that a difference is the design's. An objective that names an arm which has not
 * run in this run, or not yet, is no promise of this one and is left out.
 */
import type { HistoryRecord } from '../history.ts';
import type { Figure, LatencySummary, LoadStep, SloResult } from '../result.ts';
import type { Slo } from '../scenario.ts';
import type { LogicalOperation } from './attempts.ts';
import { heldSteps, stepPhase } from './capacity.ts';
import { summarize } from './histogram.ts';
import { metricGain } from './metric-gain.ts';
import { quantileBounds } from './quantile-bounds.ts';
import { responseUs } from './series.ts';
import { evaluateSlo, parseSlo, type ReferenceArm, type SloReference } from './slo.ts';
import { scopeOf } from './slo-scope.ts';

/** By SLO. */
export type SloReferences = Readonly<Record<string, SloReference>>;
/** What the arms before this one measured. */
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
  readonly earlier: EarlierArms;
}

/** Latency over the judged phases; errors over those and every held step, since a ratio needs the numbers. */
export function judgeSlos(input: SloInput): { slos: SloResult[]; references: SloReferences } {
  const { operations, earlier } = input;
  const held = heldSteps(input.steps).map(stepPhase);
  const references: Record<string, SloReference> = {};
  const slos = input.slos.flatMap((slo): SloResult[] => {
    const { indicator, arm, metric } = parseSlo(slo.objective);
    const asked = operations.filter(({ name }) => slo.operations?.includes(name) ?? true);
    const inPhases = (phases: readonly string[]) =>
      asked.filter(({ phase }) => phases.includes(phase));
    const { id, objective, baseline, phases = input.judged } = slo;
    const measured = inPhases(phases);
    if (arm !== null) references[id] = referenceOf(measured);
    const before = arm === null ? undefined : earlier[arm]?.[id];
    if (arm !== null && before === undefined) return [];
    const reference = baseline === undefined ? before : referenceOf(inPhases([baseline]));
    const latenciesUs = measured.map(responseUs);
    const counted = slo.phases === undefined ? [...measured, ...inPhases(held)] : measured;
    const scope = scopeOf(slo);
    const result = evaluateSlo(id, objective, {
      latency: summarize(latenciesUs),
      bounds: quantileBounds(latenciesUs),
      errors: { failed: counted.filter(isError).length, total: counted.length },
      ...(indicator === 'cost' && { costs: input.costs }),
      ...(metric !== '' && { metric: metricGain(input.history, metric, phases) }),
      ...(reference && { reference }),
    });
    return [scope === undefined ? result : { ...result, scope }];
  });
  return { slos, references };
}

function referenceOf(operations: readonly LogicalOperation[]): SloReference {
  const ordered = operations.toSorted((a, b) => a.scheduledUs - b.scheduledUs);
  const middle = ordered.length >> 1;
  const of = (some: readonly LogicalOperation[]): LatencySummary => summarize(some.map(responseUs));
  return {
    latency: of(ordered),
    bounds: quantileBounds(ordered.map(responseUs)),
    halves: [of(ordered.slice(0, middle)), of(ordered.slice(middle))],
  };
}

export function isError({ outcome }: LogicalOperation): boolean {
  return outcome !== 'ok';
}

/** The service's histograms that are judged over a phase. */
export function metricsIn(
  slos: readonly Slo[],
  phase: { readonly name: string; readonly judged?: boolean },
): string[] {
  const names = slos
    .filter(({ phases }) => phases?.includes(phase.name) ?? phase.judged === true)
    .map(({ objective }) => parseSlo(objective).metric);
  return [...new Set(names)].filter((name) => name !== '');
}
