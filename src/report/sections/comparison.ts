/** Alternatives beside each other: one chart of what matters most, one table of everything. */
import type { Comparison } from '../../sim/result.ts';
import type { Block, SectionSpec } from '../blocks.ts';
import { comparisonChart } from '../charts/comparison.ts';
import type { LegendItem } from '../charts/palette.ts';
import { capitalized, measureText, NO_VALUE } from '../format.ts';
import { byMedium, type Inline, strong, styled } from '../inline.ts';

export const comparison: SectionSpec = {
  id: 'comparison',
  render: ({ result: { comparison: found } }) => {
    if (found === undefined || found.rows.length === 0) return null;
    const { title, note, columns, rows, chart } = found;
    const legend: LegendItem[] = [
      { role: 'after', text: 'ours', shape: 'box' },
      { role: 'before-soft', text: 'others', shape: 'box' },
    ];
    if (chart.limit !== null) legend.push({ role: 'slo', text: 'promised', shape: 'thin' });
    return {
      title,
      short: 'Comparison',
      blocks: [
        { kind: 'paragraph', style: 'note', content: note },
        { kind: 'figure', legend, chart: () => comparisonChart(found) },
        {
          kind: 'table',
          label: title,
          columns: [
            { title: '' },
            ...columns.map(({ label }) => ({
              title: byMedium({ html: capitalized(label) }),
              isNumeric: true,
            })),
          ],
          rows: rows.map(({ name, ours, values }) => ({
            cells: [
              ours ? strong(name, 'after') : name,
              ...columns.map(({ id, unit }): Inline => {
                const value = values[id] ?? null;
                if (value === null) return byMedium({ html: null, markdown: NO_VALUE });
                return styled('value', measureText(value, unit));
              }),
            ],
          })),
        },
      ],
      console: { asides: [summary(found)] },
    };
  },
};

/** Two lines: ours, and the others, in the column of the chart. */
function summary({ columns, rows, chart }: Comparison): Block | null {
  const column = columns.find(({ id }) => id === chart.column);
  if (column === undefined) return null;
  const text = (isOurs: boolean) =>
    rows
      .filter(({ ours }) => ours === isOurs)
      .map(({ name, values }) => `${name} ${measureText(values[column.id] ?? null, column.unit)}`)
      .join(', ');
  return {
    kind: 'pairs',
    pairs: [
      { label: 'compared', content: `${column.label}: ${text(true)}` },
      { label: '', content: text(false) },
    ],
  };
}
