/** Selects what one medium shows: sections, blocks, and the columns and rows of a table. */
import type { Result } from '../sim/result.ts';
import {
  armColumns,
  type Block,
  type Matrix,
  type MatrixCell,
  type RenderSection,
  type Section,
  type Table,
  type TableRow,
} from './blocks.ts';
import type { Inline, Medium } from './inline.ts';
import { namedArms } from './rows.ts';

/** `head`: the sections without a title. */
export function selectSections(
  medium: 'html' | 'markdown',
  result: Result,
  renderers: readonly RenderSection[],
): { readonly head: readonly Section[]; readonly body: readonly Section[] } {
  const run = { result, arms: namedArms(result) };
  const sections = renderers
    .flatMap((render) => render(run) ?? [])
    .filter(({ blocks }) => selectBlocks(medium, blocks).length > 0);
  return {
    head: sections.filter(({ title }) => title === undefined),
    body: sections.filter(({ title }) => title !== undefined),
  };
}

function isFor(medium: Medium, { media }: { readonly media?: readonly Medium[] }): boolean {
  return media === undefined || media.includes(medium);
}

export function selectBlocks<T extends Block>(
  medium: Medium,
  blocks: readonly (T | null | false)[],
): T[] {
  return blocks.filter((block): block is T => !!block && isFor(medium, block) && !isEmpty(block));
}

function isEmpty(block: Block): boolean {
  if (block.kind === 'table') return block.rows.length === 0;
  if (block.kind === 'matrix' || block.kind === 'list') return block.items.length === 0;
  if (block.kind === 'arms') return block.arms.length === 0;
  return block.kind === 'pairs' && block.pairs.length === 0;
}

export function selectTable(medium: Medium, block: Table | Matrix): Table {
  const table = block.kind === 'table' ? block : matrixToTable(medium, block);
  const shown = table.columns.map((column) => isFor(medium, column));
  const ofShown = <T>(items: readonly T[]) => items.filter((_, index) => shown[index]);
  const rows = table.rows.filter((row) => isFor(medium, row));
  return {
    ...table,
    columns: ofShown(table.columns),
    rows: rows.map((row) => ({ ...row, cells: ofShown(row.cells) })),
  };
}

function matrixToTable(medium: Medium, matrix: Matrix): Table {
  const { label, title, about, arms, fields, items, missing } = matrix;
  if (medium === 'html' && matrix.isList !== true) {
    const missingText: Inline = missing !== undefined && { style: 'muted', content: missing };
    const rows = items.map(({ head, cells }) => ({
      cells: [head, ...cells.map((cell) => (cell === null ? missingText : cell.shown))],
    }));
    return { kind: 'table', label, columns: [{ title }, ...armColumns(arms, about)], rows };
  }
  const isByArm = medium !== 'html' && matrix.isByArm === true;
  const inOrder = <T>(head: T, arm: T) => (isByArm ? [arm, head] : [head, arm]);
  const row = (head: Inline, at: number, cell: MatrixCell | null | undefined): TableRow[] =>
    cell ? [{ cells: [...inOrder(head, arms[at]!.name), ...cell.fields] }] : [];
  const rows = isByArm
    ? arms.flatMap((_, at) => items.flatMap(({ head, cells }) => row(head, at, cells[at])))
    : items.flatMap(({ head, cells }) => cells.flatMap((cell, at) => row(head, at, cell)));
  const columns = [...inOrder({ title }, { title: 'Arm' }), ...fields];
  return { kind: 'table', label, columns, rows };
}
