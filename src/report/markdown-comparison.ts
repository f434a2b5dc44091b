/** Alternatives beside each other, as a table. */
import type { Comparison } from '../sim/result.ts';
import { capitalized, measureText, NO_VALUE } from './format.ts';
import { plain, table } from './markdown-text.ts';

export function comparisonMarkdown(comparison: Comparison | undefined): string | null {
  if (comparison === undefined || comparison.rows.length === 0) return null;
  const { title, note, columns, rows } = comparison;
  const body = rows.map(({ name, ours, values }) => [
    ours ? `**${plain(name)}**` : plain(name),
    ...columns.map(({ id, unit }) => {
      const value = values[id] ?? null;
      return value === null ? NO_VALUE : plain(measureText(value, unit));
    }),
  ]);
  const headers = ['', ...columns.map(({ label }) => plain(capitalized(label)))];
  return [`## ${plain(title)}`, plain(note), table(headers, body)].join('\n\n');
}
