/**
 * What every format shows, arranged once: arms in reading order, one row per SLO, figure and invariant with
 * a cell per arm. A failure the scenario expected of an arm is told apart from one it did not: the result's
 * own `failed` list decides.
 */
import type {
  ArmName,
  ArmResult,
  DocumentedFigure,
  InvariantResult,
  Result,
  SloResult,
  ValidityCheck,
  Verdict,
} from '../sim/result.ts';
import { countText, durationText, percentileText, ratioText } from './format.ts';

export interface NamedArm {
  readonly name: ArmName;
  readonly arm: ArmResult;
}

/** One row, one cell per arm in the order of `arms`; null where the arm lacks the item. */
export interface Row<T> {
  readonly id: string;
  readonly item: T;
  readonly cells: readonly (T | null)[];
}

const ORDER: readonly ArmName[] = ['before', 'sample', 'after'];

export function namedArms(result: Result): NamedArm[] {
  return ORDER.flatMap((name) => {
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

/** The latency summary as label and text; a percentile the sample cannot carry says so. */
export function latencyRows(latency: ArmResult['latency']): { label: string; text: string }[] {
  const n = latency.count;
  return [
    { label: 'mean', text: n === 0 ? 'no data' : durationText(latency.meanUs) },
    { label: 'p50', text: percentileText(latency.p50Us, 0.5, n) },
    { label: 'p95', text: percentileText(latency.p95Us, 0.95, n) },
    { label: 'p99', text: percentileText(latency.p99Us, 0.99, n) },
    { label: 'p99.9', text: percentileText(latency.p999Us, 0.999, n) },
    { label: 'max', text: n === 0 ? 'no data' : durationText(latency.maxUs) },
  ];
}

export function errorText(arm: ArmResult): string {
  const { ok, fail, unknown } = arm.outcomes;
  const total = ok + fail + unknown;
  if (total === 0) return 'no data';
  const errors = fail + unknown;
  return errors === 0
    ? `0 of ${countText(total)}`
    : `${countText(errors)} of ${countText(total)} (${ratioText(errors / total)})`;
}

/** What the scenario promised of the arm, and whether it came true. */
export function expectationText(arm: ArmResult): string {
  const promised = `expected to ${arm.expected === 'unknown' ? 'be undecided' : arm.expected}`;
  if (arm.verdict === arm.expected)
    return `${promised}: it did`.replace('undecided: it did', 'undecided: it was');
  switch (arm.verdict) {
    case 'pass':
      return `${promised}, but it passed`;
    case 'fail':
      return `${promised}, but it failed`;
    case 'unknown':
      return `${promised}, but the run does not tell`;
    default:
      return arm.verdict satisfies never;
  }
}

export type ItemKind = 'slo' | 'invariant' | 'documented' | 'validity';

/** A failure of a design that was expected to fail, and that the result does not hold against the run. */
export function isExpectedFailure(
  result: Result,
  named: NamedArm,
  item: { readonly kind: ItemKind; readonly id: string; readonly verdict: Verdict },
): boolean {
  return (
    item.verdict === 'fail' &&
    named.arm.expected === 'fail' &&
    (item.kind === 'slo' || item.kind === 'invariant') &&
    !result.failed.includes(`${named.name}.${item.kind}.${item.id}`)
  );
}

/** Quantile that an objective such as `latency.p99 < 500ms` speaks of; null for a mean or a ratio. */
export function objectiveQuantile(objective: string): number | null {
  const match = /^\s*latency\.p(\d{2})\.?(\d*)\s*</.exec(objective);
  return match ? Number(`0.${match[1]}${match[2]}`) : null;
}

export function verdictMark(verdict: Verdict): string {
  return verdict === 'pass' ? '✓' : verdict === 'fail' ? '✗' : '?';
}

export function exitText(exitCode: number): string {
  const meaning: Readonly<Record<number, string>> = {
    0: 'pass',
    97: 'verdict unknown',
    98: 'invariant violated',
    99: 'SLO missed',
    130: 'interrupted',
    143: 'terminated',
  };
  const words = meaning[exitCode];
  return words === undefined ? `exit ${exitCode}` : `exit ${exitCode}, ${words}`;
}

/** Length of the arm as its phases and timeline tell it. */
export function armEndUs(arm: ArmResult): number {
  const last = arm.timeline.points.at(-1);
  const ends = arm.phases.map((phase) => phase.endUs);
  return Math.max(0, ...ends, last === undefined ? 0 : last.atUs + arm.timeline.bucketUs);
}

function rowsById<T extends { readonly id: string }>(columns: readonly (readonly T[])[]): Row<T>[] {
  const ids = [...new Set(columns.flatMap((column) => column.map((item) => item.id)))];
  return ids.flatMap((id) => {
    const cells = columns.map((column) => column.find((item) => item.id === id) ?? null);
    const item = cells.find((cell) => cell !== null);
    return item === undefined || item === null ? [] : [{ id, item, cells }];
  });
}
