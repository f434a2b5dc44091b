/** A table as one medium shows it: columns and rows chosen, a matrix laid out or listed. */
import {
  armColumns,
  type Block,
  type Cell,
  type ForMedia,
  type Matrix,
  type Row,
  type Table,
} from './blocks.ts';
import type { Inline, Medium } from './inline.ts';

export function isShownIn(medium: Medium, { media }: ForMedia): boolean {
  return media === undefined || media.includes(medium);
}

/** The blocks of a list that a medium shows. */
export function blocksFor(medium: Medium, blocks: readonly (Block | null | false)[]): Block[] {
  return blocks.filter((block): block is Block => !!block && isShownIn(medium, block));
}

/** The table as a medium shows it: its columns, its rows, and of a row the cells of its columns. */
export function tableFor(medium: Medium, block: Table | Matrix): Table {
  const table = block.kind === 'table' ? block : layOut(medium, block);
  const shown = table.columns.map((column) => isShownIn(medium, column));
  return {
    ...table,
    columns: table.columns.filter((_, index) => shown[index]),
    rows: table.rows
      .filter((row) => isShownIn(medium, row))
      .map((row) => ({ ...row, cells: row.cells.filter((_, index) => shown[index]) })),
  };
}

function layOut(medium: Medium, matrix: Matrix): Table {
  const { kind: _, label, title, arms, fields, items, missing = null } = matrix;
  const { listIn = ['markdown', 'console'], armFirstIn = [] } = matrix;
  if (!listIn.includes(medium)) {
    const rows = items.map(({ head, cells }) => ({
      cells: [head, ...cells.map((cell) => (cell === null ? missing : cell.shown))],
    }));
    return { kind: 'table', label, columns: [{ title }, ...armColumns(arms, matrix.about)], rows };
  }
  const row = (head: Inline, arm: string, cell: Cell | null | undefined): Row[] => {
    if (!cell) return [];
    return [{ cells: isArmFirst ? [arm, head, ...cell.fields] : [head, arm, ...cell.fields] }];
  };
  const isArmFirst = armFirstIn.includes(medium);
  const rows = isArmFirst
    ? arms.flatMap(({ name }, at) => items.flatMap(({ head, cells }) => row(head, name, cells[at])))
    : items.flatMap(({ head, cells }) =>
        arms.flatMap(({ name }, at) => row(head, name, cells[at])),
      );
  const first = [{ title }, { title: 'Arm' }];
  return {
    kind: 'table',
    label,
    columns: [...(isArmFirst ? first.reverse() : first), ...fields],
    rows,
  };
}
