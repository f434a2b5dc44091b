/** Alternatives side by side: a chart of one column, a table of all. */
import type { Comparison } from '../../sim/result.ts';
import { type Column, pairs, paragraph, type ReportInput, type Section, table } from '../blocks.ts';
import { comparisonChart } from '../charts/comparison.ts';
import type { LegendItem } from '../charts/palette.ts';
import { capitalize, formatMeasure, NO_VALUE } from '../format.ts';
import { byMedium, type Inline, styled } from '../inline.ts';

export function comparison({ result: { comparison: found } }: ReportInput): Section | null {
  if (found === undefined || found.rows.length === 0) return null;
  const legend: LegendItem[] = [
    { role: 'after', text: 'ours', shape: 'box' },
    { role: 'before-soft', text: 'others', shape: 'box' },
  ];
  if (found.chart.limit !== null) legend.push({ role: 'slo', text: 'limit', shape: 'thin' });
  const columns = found.columns.map(({ label }): Column => {
    return { title: byMedium(capitalize(label)), isNumeric: true };
  });
  const rows = found.rows.map(({ name, ours, values }) => [
    ours ? ({ style: 'strong', content: name, arm: 'after' } as const) : name,
    ...found.columns.map(({ id, unit }): Inline => {
      const value = values[id] ?? null;
      if (value === null) return byMedium(null, NO_VALUE);
      return styled('value', formatMeasure(value, unit));
    }),
  ]);
  return {
    id: 'comparison',
    title: found.title,
    short: 'Comparison',
    blocks: [
      paragraph(found.note, 'note'),
      { kind: 'chart', legend, chart: () => comparisonChart(found) },
      table(found.title, ['', ...columns], rows),
    ],
    console: { asides: [pairs(summary(found))] },
  };
}

/** The column of the chart on two lines: ours, then the others. */
function summary({ columns, rows, chart }: Comparison): (readonly [string, string])[] {
  const column = columns.find(({ id }) => id === chart.column);
  if (column === undefined) return [];
  const text = (isOurs: boolean) =>
    rows
      .filter(({ ours }) => ours === isOurs)
      .map(({ name, values }) => `${name} ${formatMeasure(values[column.id] ?? null, column.unit)}`)
      .join(', ');
  return [
    ['compared', `${column.label}: ${text(true)}`],
    ['', text(false)],
  ];
}
