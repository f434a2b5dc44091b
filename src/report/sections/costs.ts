/** Work per operation, for each arm. */
import { armColumns, paragraph, type ReportInput, type Section, table } from '../blocks.ts';
import { formatMeasure, formatRelative } from '../format.ts';
import { byMedium, type Inline, styled } from '../inline.ts';
import { costRows } from '../rows.ts';

export function costs({ arms }: ReportInput): Section | null {
  const costs = costRows(arms);
  if (costs.length === 0) return null;
  const base = arms.findIndex(({ name }) => name === 'before');
  const counted = 'Counted by the stores and the kernel in a phase without faults';
  const compared = byMedium('; beside each value', '; in brackets');
  const rows = costs.map(({ item, cells }) => [
    item.label,
    ...cells.map((cell, index): Inline => {
      if (cell === null) return null;
      const factor = index === base ? null : formatRelative(cell.value, cells[base]?.value ?? null);
      const value = styled('figure', formatMeasure(cell.value, cell.unit));
      return [value, factor !== null && styled('aside', factor)];
    }),
  ]);
  return {
    id: 'costs',
    title: 'Cost per operation',
    short: 'Cost',
    blocks: [
      paragraph([counted, base >= 0 && [compared, ', the ratio to before'], '.'], 'note'),
      table('Cost per operation by arm', ['Per operation', ...armColumns(arms)], rows),
    ],
  };
}
