/** The figures and words that every part of a result is made of; see result.ts. */

/** @minimum 0 */
export type NonNegative = number;
/** @exclusiveMinimum 0 */
export type Positive = number;
/** @minimum 0 @maximum 1 */
export type Ratio = number;
/** @minimum 0 @asType integer */
export type Count = number;

/** Unknown: the run proves nothing. */
export type Verdict = 'pass' | 'fail' | 'unknown';
export type ArmName = 'before' | 'sample' | 'after';

/** Microseconds over `count` operations. Read a percentile only when count carries it: 299 for p99, 2,995 for p99.9. */
export interface LatencySummary {
  readonly meanUs: NonNegative;
  readonly p50Us: NonNegative;
  readonly p95Us: NonNegative;
  readonly p99Us: NonNegative;
  readonly p999Us: NonNegative;
  readonly maxUs: NonNegative;
  readonly count: Count;
}

/** `times`: of a baseline. `ratio`: 0 to 1. */
export type Unit = 'us' | 'ratio' | 'times' | 'per_second' | 'percent' | 'count' | 'bytes';

/** A number with its name and unit, ready to be compared between arms. Null: nothing was measured. */
export interface Figure {
  readonly id: string;
  readonly label: string;
  readonly value: number | null;
  readonly unit: Unit;
}
