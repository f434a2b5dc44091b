/** Work per operation: what an operation costs, arm beside arm. */
import { armColumns, paragraph, type Run, type Section, table } from '../blocks.ts';
import { measureText, relativeText } from '../format.ts';
import { byMedium, type Inline, styled } from '../inline.ts';
import { costRows } from '../rows.ts';

export function costs({ arms }: Run): Section | null {
  const costs = costRows(arms);
  if (costs.length === 0) return null;
  const base = arms.findIndex(({ name }) => name === 'before');
  const counted = 'Counted by the stores and the kernel while nothing was broken';
  const compared = byMedium('; beside each', '; in brackets');
  const rows = costs.map(({ item, cells }) => [
    item.label,
    ...cells.map((cell, index): Inline => {
      if (cell === null) return null;
      const factor = index === base ? null : relativeText(cell.value, cells[base]?.value ?? null);
      const value = styled('figure', measureText(cell.value, cell.unit));
      return [value, factor !== null && styled('aside', factor)];
    }),
  ]);
  return {
    id: 'costs',
    title: 'Cost per operation',
    short: 'Cost',
    blocks: [
      paragraph([counted, base >= 0 && [compared, ', how it compares with before'], '.'], 'note'),
      table('Cost per operation by arm', ['Per operation', ...armColumns(arms)], rows),
    ],
  };
}
