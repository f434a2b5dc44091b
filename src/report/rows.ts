/**
 * Rows that every format shows: one for each SLO, figure and invariant, with a cell for each arm in reading order.
 * The `failed` list of the result decides which failures were expected.
 */
import type {
  ArmName,
  ArmResult,
  DocumentedFigure,
  Figure,
  InvariantResult,
  PhaseSummary,
  Result,
  SloResult,
  ValidityCheck,
  Verdict,
} from '../sim/result.ts';
import { formatDuration, formatPercentile } from './format.ts';

export interface NamedArm {
  readonly name: ArmName;
  readonly arm: ArmResult;
}

/** One cell for each arm, in the order of `arms`; null if the arm lacks the item. */
export interface Row<T> {
  readonly id: string;
  readonly item: T;
  readonly cells: readonly (T | null)[];
}

const armOrder: readonly ArmName[] = ['before', 'sample', 'after'];

export function namedArms(result: Result): NamedArm[] {
  return armOrder.flatMap((name) => {
    const arm = result.arms[name];
    return arm === undefined ? [] : [{ name, arm }];
  });
}

export function sloRows(arms: readonly NamedArm[]): Row<SloResult>[] {
  return rowsById(arms.map(({ arm }) => arm.slos));
}

export function invariantRows(arms: readonly NamedArm[]): Row<InvariantResult>[] {
  return rowsById(arms.map(({ arm }) => arm.invariants));
}

export function documentedRows(arms: readonly NamedArm[]): (DocumentedFigure & { arm: ArmName })[] {
  return arms.flatMap(({ name, arm }) =>
    arm.documented.map((figure) => ({ ...figure, arm: name })),
  );
}

export function validityRows(arms: readonly NamedArm[]): Row<ValidityCheck>[] {
  return rowsById(arms.map(({ arm }) => arm.validity));
}

/** The figures that the checkers measured. */
export function figureRows(arms: readonly NamedArm[]): Row<Figure>[] {
  return rowsById(
    arms.map(({ arm }) => arm.invariants.flatMap((invariant) => invariant.figures ?? [])),
  );
}

/** Work per operation. */
export function costRows(arms: readonly NamedArm[]): Row<Figure>[] {
  return rowsById(arms.map(({ arm }) => arm.costs));
}

export function phaseRows(arms: readonly NamedArm[]): Row<PhaseSummary>[] {
  return rowsById(
    arms.map(({ arm }) => arm.phases),
    ({ name }) => name,
  );
}

/** With several judged phases under load, one number over all of them says little. */
export function hasSeveralJudgedPhases(arms: readonly NamedArm[]): boolean {
  return arms.some(
    ({ arm }) => arm.phases.filter(({ judged, load }) => judged && load !== null).length > 1,
  );
}

/** The latency summary as label and text; `n too small` for a percentile without enough samples. */
export function formatLatencyRows(
  latency: ArmResult['latency'],
): { label: string; text: string }[] {
  const n = latency.count;
  return [
    { label: 'mean', text: n === 0 ? 'no data' : formatDuration(latency.meanUs) },
    { label: 'p50', text: formatPercentile(latency.p50Us, 0.5, n) },
    { label: 'p95', text: formatPercentile(latency.p95Us, 0.95, n) },
    { label: 'p99', text: formatPercentile(latency.p99Us, 0.99, n) },
    { label: 'p99.9', text: formatPercentile(latency.p999Us, 0.999, n) },
    { label: 'max', text: n === 0 ? 'no data' : formatDuration(latency.maxUs) },
  ];
}

export type ItemKind = 'slo' | 'invariant' | 'documented' | 'validity';

/** A failure, or an SLO without enough samples, of an arm that was expected to fail and did. */
export function isExpectedFailure(
  result: Result,
  named: NamedArm,
  item: { readonly kind: ItemKind; readonly id: string; readonly verdict: Verdict },
): boolean {
  if (named.arm.expected !== 'fail' || item.verdict === 'pass') return false;
  if (item.kind !== 'slo' && item.kind !== 'invariant') return false;
  if (item.verdict === 'unknown' && named.arm.verdict !== 'fail') return false;
  return !result.failed.includes(`${named.name}.${item.kind}.${item.id}`);
}

/** Quantile that an objective such as `latency.p99 < 500ms` speaks of; null for a mean or a ratio. */
export function objectiveQuantile(objective: string): number | null {
  const match = /^\s*latency\.p(\d{2})\.?(\d*)\s*</.exec(objective);
  return match ? Number(`0.${match[1]}${match[2]}`) : null;
}

/** Length of the arm, from its phases and timeline. */
export function armEndUs(arm: ArmResult): number {
  const last = arm.timeline.points.at(-1);
  const ends = arm.phases.map((phase) => phase.endUs);
  return Math.max(0, ...ends, last === undefined ? 0 : last.atUs + arm.timeline.bucketUs);
}

export function rowsById<T extends { readonly id: string }>(
  columns: readonly (readonly T[])[],
): Row<T>[];
export function rowsById<T>(
  columns: readonly (readonly T[])[],
  keyOf: (item: T) => string,
): Row<T>[];
export function rowsById<T>(
  columns: readonly (readonly T[])[],
  keyOf: (item: T) => string = (item) => (item as { readonly id: string }).id,
): Row<T>[] {
  const ids = [...new Set(columns.flatMap((column) => column.map(keyOf)))];
  return ids.flatMap((id) => {
    const cells = columns.map((column) => column.find((item) => keyOf(item) === id) ?? null);
    const item = cells.find((cell) => cell !== null);
    return item === undefined || item === null ? [] : [{ id, item, cells }];
  });
}
