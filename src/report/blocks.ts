/**
 * What a report is made of. A section turns a result into blocks; html, markdown and console each render every
 * kind of block and know no section. What only one of them has room for is marked with its medium.
 */
import type { ArmName, Result } from '../sim/result.ts';
import type { LegendItem } from './charts/palette.ts';
import type { Markup } from './html/markup.ts';
import type { Inline, Medium } from './inline.ts';
import type { NamedArm } from './rows.ts';

/** What a section is made from. */
export interface Run {
  readonly result: Result;
  readonly arms: readonly NamedArm[];
}

/** Null where the run has nothing for the section. */
export type RenderSection = (run: Run) => Section | null;

export interface Section {
  /** Unique; the anchor of the section in the page. */
  readonly id: string;
  /** Absent: the section stands at the head of the document, whose title is the verdict. */
  readonly title?: Inline;
  /** For the list of sections, when the title is long. */
  readonly short?: string;
  /** For html and markdown; a section without a block for a medium does not appear there. */
  readonly blocks: Blocks;
  /** For the verdict block of a terminal, which has one screen: nothing of most sections. */
  readonly console?: Readonly<Partial<Record<ConsolePlace, readonly Maybe<ConsoleBlock>[]>>>;
}

/** Parts of the verdict block from top to bottom; within a part, blocks keep the order of the sections. */
export const consolePlaces = [
  'verdict',
  'tables',
  'facts',
  'asides',
  'problems',
  'ending',
] as const;
export type ConsolePlace = (typeof consolePlaces)[number];

/** What has nothing to show may be left in its place: nothing is shown of it. */
type Maybe<T> = T | null | false;
export type Blocks = readonly Maybe<Block>[];

/** Absent: all. */
interface ForMedia {
  readonly media?: readonly Medium[];
}

type Plain = Headline | Paragraph | Pairs | List | Table;
type Rich = Arms | Matrix | Figure | Figures | Details | Code | Columns;
export type ConsoleBlock = ForMedia & Plain;
export type Block = ForMedia & (Plain | Rich);

/** The verdict in one sentence. */
export interface Headline {
  readonly kind: 'headline';
  readonly result: Result;
}

export interface Paragraph {
  readonly kind: 'paragraph';
  /** `big`: what the section is about; `below`: after a table; `banner`, `alert`: must not be overlooked. */
  readonly style?: 'note' | 'big' | 'below' | 'banner' | 'alert';
  readonly content: Inline;
}

/** A terminal gathers what is said of one arm. */
type Pair = readonly [label: Inline, content: Inline, arm?: ArmName];
type Item = readonly [content: Inline, arm?: ArmName];

export interface Pairs {
  readonly kind: 'pairs';
  /** `words`: definitions; `lede`: what a reader must know first; `keys`: figures in the largest size. */
  readonly style?: 'words' | 'lede' | 'keys' | 'keys compared';
  readonly pairs: readonly Pair[];
}

export interface List {
  readonly kind: 'list';
  readonly isOrdered: boolean;
  readonly items: readonly Item[];
}

export interface Column extends ForMedia {
  readonly title: Inline;
  readonly isNumeric?: boolean;
  /** The column of this arm, in its colour. */
  readonly arm?: ArmName;
  /** What its cells hold. */
  readonly about?: string;
  /** Left out on a phone: said elsewhere. */
  readonly isOptional?: boolean;
  /** Shares, which are not set as figures beside their bars. */
  readonly isShare?: boolean;
}

export interface TableRow extends ForMedia {
  /** One for each column; the first is the row's header. */
  readonly cells: readonly Inline[];
  readonly isTotal?: boolean;
}

export interface Table {
  readonly kind: 'table';
  /** For a reader who cannot see it. */
  readonly label: string;
  readonly columns: readonly Column[];
  readonly rows: readonly TableRow[];
}

/**
 * Items by arm. On the page one row an item and one column an arm, whose cells show all at once; elsewhere a
 * list, one row for each item and arm, whose fields are columns.
 */
export interface Matrix {
  readonly kind: 'matrix';
  readonly label: string;
  readonly title: Inline;
  readonly about?: string;
  readonly arms: readonly NamedArm[];
  readonly fields: readonly Column[];
  readonly items: readonly {
    readonly head: Inline;
    readonly cells: readonly (MatrixCell | null)[];
  }[];
  /** On the page, in place of a cell that is null. */
  readonly missing?: string;
  /** A list on the page too. */
  readonly isList?: boolean;
  /** The list elsewhere goes arm by arm. */
  readonly isByArm?: boolean;
}

export interface MatrixCell {
  readonly shown: Inline;
  readonly fields: readonly Inline[];
}

/** What each arm was, what was expected of it and what came of it. */
export interface Arms {
  readonly kind: 'arms';
  readonly arms: readonly NamedArm[];
}

/** Draws when asked: formats without charts never pay for one. */
export type Chart = () => Markup | null;

export interface Figure {
  readonly kind: 'figure';
  readonly legend: readonly LegendItem[];
  readonly chart: Chart;
  readonly caption?: Inline;
  /** Stands beside the drawing, or below it; formats without charts show it alone. */
  readonly beside?: { readonly block: Table; readonly isBelow: boolean };
}

/** One drawing for each arm, so that before stands beside after. */
export interface Figures {
  readonly kind: 'figures';
  readonly legend: readonly LegendItem[];
  readonly charts: readonly { arm: NamedArm; chart: Chart; caption?: Inline }[];
  /** Below each other, with these numbered names; absent: side by side. */
  readonly numbered?: readonly string[];
  /** On one printed page, if it fits. */
  readonly isKept?: boolean;
  /** For formats without charts. */
  readonly instead?: Blocks;
}

/** Shut until asked for, where a format can. */
export interface Details {
  readonly kind: 'details';
  readonly summary: Inline;
  readonly isOpen: boolean;
  readonly body: Block;
}

export interface Code {
  readonly kind: 'code';
  readonly text: string;
}

/** Groups of blocks side by side, each under a heading of its own. */
export interface Columns {
  readonly kind: 'columns';
  readonly columns: readonly (readonly Group[])[];
}

export interface Group {
  readonly heading: string;
  readonly blocks: Blocks;
}

export function only<T extends Block>(medium: Medium, block: T): T {
  return { ...block, media: [medium] };
}

export function paragraph(content: Inline, style?: Paragraph['style']): Paragraph {
  return style === undefined
    ? { kind: 'paragraph', content }
    : { kind: 'paragraph', style, content };
}

/** How to read what follows on the page; a plain table needs no such words. */
export function intro(content: Inline): Block {
  return only('html', paragraph(content, 'note'));
}

export function pairs(rows: readonly Pair[], style?: Pairs['style']): Pairs {
  return style === undefined
    ? { kind: 'pairs', pairs: rows }
    : { kind: 'pairs', style, pairs: rows };
}

export function list(items: readonly Item[], isOrdered = false): List {
  return { kind: 'list', isOrdered, items };
}

/** Rows are cells, or cells with what sets them apart. */
export function table(
  label: string,
  columns: readonly (Column | string)[],
  rows: readonly (readonly Inline[] | TableRow)[],
): Table {
  return {
    kind: 'table',
    label,
    columns: columns.map((column) => (typeof column === 'string' ? { title: column } : column)),
    rows: rows.map((row) => ('cells' in row ? row : { cells: row })),
  };
}

export function details(summary: Inline, body: Block, isOpen = false): Details {
  return { kind: 'details', summary, isOpen, body };
}

export function numeric(...titles: readonly Inline[]): Column[] {
  return titles.map((title) => ({ title, isNumeric: true }));
}

export function armColumns(arms: readonly NamedArm[], about?: string): Column[] {
  return arms.map(({ name }) => ({
    title: name,
    arm: name,
    ...(about !== undefined && { about }),
  }));
}
