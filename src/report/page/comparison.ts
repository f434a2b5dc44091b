/** Alternatives beside each other: one chart of what matters most, one table of everything. */
import type { Comparison } from '../../sim/result.ts';
import { comparisonChart } from '../charts/comparison.ts';
import { capitalized, measureText } from '../format.ts';
import { html } from './markup.ts';
import { type Content, dataTable, legend, paragraph, type Section } from './parts.ts';

export function comparisonSection(comparison: Comparison | undefined): Section | null {
  if (comparison === undefined || comparison.rows.length === 0) return null;
  const { title, note, columns, rows } = comparison;
  const chart = comparisonChart(comparison);
  const headers = [
    { title: '' },
    ...columns.map(({ label }) => ({ title: capitalized(label), numeric: true })),
  ];
  const body = rows.map(({ name, ours, values }): Content[] => [
    ours ? html`<b class="after-ink">${name}</b>` : name,
    ...columns.map(({ id, unit }) => {
      const value = values[id] ?? null;
      return value === null ? null : html`<span class="value">${measureText(value, unit)}</span>`;
    }),
  ]);
  return {
    ...{ id: 'comparison', title, short: 'Comparison' },
    body: html`${paragraph(note)}
${chart !== null && html`<figure style="max-width:760px">${legend([{ role: 'after', text: 'ours', shape: 'box' }, { role: 'before-soft', text: 'others', shape: 'box' }, ...(comparison.chart.limit === null ? [] : [{ role: 'slo' as const, text: 'promised', shape: 'thin' as const }])])}${chart}</figure>`}
${dataTable(title, headers, body)}`,
  };
}
