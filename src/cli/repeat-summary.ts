/** Repeated runs side by side: with one machine and one seed, what still varies is the noise to expect. */
import { durationText, rateText } from '../report/format.ts';
import type { ArmName, Result } from '../sim/result.ts';
import { textTable } from './text-table.ts';

interface Figure {
  readonly name: string;
  /** Undefined where the arm did not run. */
  read(result: Result): number | null | undefined;
  show(value: number | null): string;
}

const ARMS: readonly ArmName[] = ['before', 'sample', 'after'];

const FIGURES: readonly Figure[] = ARMS.flatMap((arm): Figure[] => [
  {
    name: `${arm} mean`,
    read: (result) => result.arms[arm]?.latency.meanUs,
    show: durationText,
  },
  {
    name: `${arm} p99`,
    read: (result) => result.arms[arm]?.latency.p99Us,
    show: durationText,
  },
  {
    name: `${arm} holds`,
    read: (result) => result.arms[arm]?.capacity?.holdsPerSecond,
    show: rateText,
  },
]);

export function repeatSummary(results: readonly Result[], width: number): string {
  const rows = FIGURES.flatMap(({ name, read, show }) => {
    const values = results
      .map(read)
      .filter((value): value is number => typeof value === 'number')
      .sort((a, b) => a - b);
    if (values.length === 0) return [];
    const low = values.at(0) ?? null;
    const high = values.at(-1) ?? null;
    return [[name, show(median(values)), show(low), show(high), String(values.length)]];
  });
  const columns = [
    { title: 'figure' },
    { title: 'median', align: 'right' },
    { title: 'min', align: 'right' },
    { title: 'max', align: 'right' },
    { title: 'runs', align: 'right' },
  ] as const;
  return textTable(columns, rows, width);
}

/** Of a sorted, non-empty list. */
export function median(sorted: readonly number[]): number {
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? 0;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? 0) + upper) / 2 : upper;
}
