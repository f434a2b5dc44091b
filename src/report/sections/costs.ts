/** Work per operation: what an operation costs, arm beside arm. */
import { armColumns, type SectionSpec } from '../blocks.ts';
import { measureText, relativeText } from '../format.ts';
import { byMedium, type Inline, styled } from '../inline.ts';
import { costRows } from '../rows.ts';

export const costs: SectionSpec = {
  id: 'costs',
  render: ({ arms }) => {
    const rows = costRows(arms);
    if (rows.length === 0) return null;
    const base = arms.findIndex(({ name }) => name === 'before');
    const counted = 'Counted by the stores and the kernel while nothing was broken';
    return {
      title: 'Cost per operation',
      short: 'Cost',
      blocks: [
        {
          kind: 'paragraph',
          style: 'note',
          content: byMedium({
            html: `${counted}${base < 0 ? '' : '; beside each, how it compares with before'}.`,
            markdown: `${counted}${base < 0 ? '' : '; in brackets, how it compares with before'}.`,
          }),
        },
        {
          kind: 'table',
          label: 'Cost per operation by arm',
          columns: [{ title: 'Per operation' }, ...armColumns(arms)],
          rows: rows.map(({ item, cells }) => ({
            cells: [
              item.label,
              ...cells.map((cell, index): Inline => {
                if (cell === null) return null;
                const before = cells[base]?.value ?? null;
                const factor = index === base ? null : relativeText(cell.value, before);
                const value = styled('figure', measureText(cell.value, cell.unit));
                return [value, factor !== null && styled('aside', factor)];
              }),
            ],
          })),
        },
      ],
    };
  },
};
