/**
 * The model of a report. A section turns a result into blocks; html, markdown and console render every kind of block
 * and know no section. A block for one medium is marked with it.
 */
import type { ArmName, Result } from '../sim/result.ts';
import type { LegendItem } from './charts/palette.ts';
import type { Markup } from './html/markup.ts';
import type { Inline, Medium } from './inline.ts';
import type { NamedArm } from './rows.ts';

/** The input of a section. */
export interface ReportInput {
  readonly result: Result;
  readonly arms: readonly NamedArm[];
}

/** Null if the run has nothing for the section. */
export type RenderSection = (run: ReportInput) => Section | null;

export interface Section {
  /** Unique; the anchor of the section in the page. */
  readonly id: string;
  /** Absent: the section is part of the head of the document, whose title is the verdict. */
  readonly title?: Inline;
  /** For the list of sections, when the title is long. */
  readonly short?: string;
  /** For html and markdown; a section without a block for a medium does not appear there. */
  readonly blocks: Blocks;
  /** For the verdict block of a terminal. Most sections are not in it. */
  readonly console?: Readonly<Partial<Record<ConsolePlace, readonly Maybe<ConsoleBlock>[]>>>;
}

/** Parts of the verdict block from top to bottom; within a part, blocks are in the order of the sections. */
export const consolePlaces = [
  'verdict',
  'tables',
  'facts',
  'asides',
  'problems',
  'ending',
] as const;
export type ConsolePlace = (typeof consolePlaces)[number];

/** Null and false are skipped. */
type Maybe<T> = T | null | false;
export type Blocks = readonly Maybe<Block>[];

/** Absent: all. */
interface ForMedia {
  readonly media?: readonly Medium[];
}

type Plain = Headline | Paragraph | Pairs | List | Table;
type Rich = Arms | Matrix | ChartBlock | ChartsBlock | Details | Code | Columns;
export type ConsoleBlock = ForMedia & Plain;
export type Block = ForMedia & (Plain | Rich);

/** The verdict in one sentence. */
export interface Headline {
  readonly kind: 'headline';
  readonly result: Result;
}

export interface Paragraph {
  readonly kind: 'paragraph';
  /** `big`: the main statement of the section; `below`: after a table; `banner`, `alert`: highlighted. */
  readonly style?: 'note' | 'big' | 'below' | 'banner' | 'alert';
  readonly content: Inline;
}

/** A terminal sorts pairs and items by arm. */
type Pair = readonly [label: Inline, content: Inline, arm?: ArmName];
type Item = readonly [content: Inline, arm?: ArmName];

export interface Pairs {
  readonly kind: 'pairs';
  /** `words`: definitions; `lede`: the introduction; `keys`: figures in the largest size. */
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
  /** A description of its cells. */
  readonly about?: string;
  /** Hidden on a phone. */
  readonly isOptional?: boolean;
  /** Proportions with bars: not set as figures. */
  readonly isShare?: boolean;
}

export interface TableRow extends ForMedia {
  /** One for each column; the first is the row's header. */
  readonly cells: readonly Inline[];
  readonly isTotal?: boolean;
}

export interface Table {
  readonly kind: 'table';
  /** The aria-label. */
  readonly label: string;
  readonly columns: readonly Column[];
  readonly rows: readonly TableRow[];
}

/**
 * Items by arm. On the page: one row for each item, one column for each arm. Elsewhere: one row for each item and arm,
 * with the fields as columns.
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
  /** On the page, the text for a null cell. */
  readonly missing?: string;
  /** One row for each item and arm on the page too. */
  readonly isList?: boolean;
  /** Elsewhere, rows are sorted by arm. */
  readonly isByArm?: boolean;
}

export interface MatrixCell {
  readonly shown: Inline;
  readonly fields: readonly Inline[];
}

/** Each arm with its design, its verdict and the expected verdict. */
export interface Arms {
  readonly kind: 'arms';
  readonly arms: readonly NamedArm[];
  /** `failed` of the result. */
  readonly failed: readonly string[];
}

/** A function, so that formats without charts do not draw. */
export type DrawChart = () => Markup | null;

export interface ChartBlock {
  readonly kind: 'chart';
  readonly legend: readonly LegendItem[];
  readonly chart: DrawChart;
  readonly caption?: Inline;
  /** Beside the chart, or below it; formats without charts show only this. */
  readonly beside?: { readonly block: Table; readonly isBelow: boolean };
}

/** One chart for each arm, side by side. */
export interface ChartsBlock {
  readonly kind: 'charts';
  readonly legend: readonly LegendItem[];
  /** `numbered`: names of this arm's numbers, where they are not those of all. */
  readonly charts: readonly {
    arm: NamedArm;
    chart: DrawChart;
    caption?: Inline;
    numbered?: readonly string[];
  }[];
  /** Present: one below the other, with these numbered names for all; empty where each arm has its own. */
  readonly numbered?: readonly string[];
  /** Kept on one printed page if it fits. */
  readonly isKept?: boolean;
  /** For formats without charts. */
  readonly instead?: Blocks;
}

/** Collapsible, in formats that can. */
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

/** Groups of blocks side by side, each with a heading. */
export interface Columns {
  readonly kind: 'columns';
  readonly columns: readonly (readonly Group[])[];
}

export interface Group {
  readonly heading: string;
  readonly blocks: Blocks;
}

export function onlyFor<T extends Block>(medium: Medium, block: T): T {
  return { ...block, media: [medium] };
}

export function paragraph(content: Inline, style?: Paragraph['style']): Paragraph {
  return style === undefined
    ? { kind: 'paragraph', content }
    : { kind: 'paragraph', style, content };
}

/** An explanation on the page; Markdown has none. */
export function intro(content: Inline): Block {
  return onlyFor('html', paragraph(content, 'note'));
}

export function pairs(rows: readonly Pair[], style?: Pairs['style']): Pairs {
  return style === undefined
    ? { kind: 'pairs', pairs: rows }
    : { kind: 'pairs', style, pairs: rows };
}

export function list(items: readonly Item[], isOrdered = false): List {
  return { kind: 'list', isOrdered, items };
}

/** A row is a list of cells, or a TableRow. */
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
