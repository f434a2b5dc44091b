/** Median, least and most of repeated runs: on one machine and one seed, their spread is noise. */
import { formatDuration, formatRate } from '../../report/format.ts';
import { formatTextTable } from '../../report/terminal-text.ts';
import type { ArmName, Result } from '../../sim/result.ts';

interface RepeatedFigure {
  readonly name: string;
  /** Undefined if the arm did not run. */
  read(result: Result): number | null | undefined;
  format(value: number | null): string;
}

const armNames: readonly ArmName[] = ['before', 'sample', 'after'];

const repeatedFigures: readonly RepeatedFigure[] = armNames.flatMap((arm): RepeatedFigure[] => [
  {
    name: `${arm} mean`,
    read: (result) => result.arms[arm]?.latency.meanUs,
    format: formatDuration,
  },
  {
    name: `${arm} p99`,
    read: (result) => result.arms[arm]?.latency.p99Us,
    format: formatDuration,
  },
  {
    name: `${arm} holds`,
    read: (result) => result.arms[arm]?.capacity?.holdsPerSecond,
    format: formatRate,
  },
]);

export function formatRepeats(results: readonly Result[], width: number): string {
  const rows = repeatedFigures.flatMap(({ name, read, format }) => {
    const values = results
      .map(read)
      .filter((value): value is number => typeof value === 'number')
      .sort((a, b) => a - b);
    if (values.length === 0) return [];
    const low = values.at(0) ?? null;
    const high = values.at(-1) ?? null;
    return [[name, format(median(values)), format(low), format(high), String(values.length)]];
  });
  const columns = [
    { title: 'figure' },
    { title: 'median', align: 'right' },
    { title: 'min', align: 'right' },
    { title: 'max', align: 'right' },
    { title: 'runs', align: 'right' },
  ] as const;
  return formatTextTable(columns, rows, width);
}

/** Of a sorted, non-empty list. */
export function median(sorted: readonly number[]): number {
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? 0;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? 0) + upper) / 2 : upper;
}
