/**
 * What a report is made of. A section turns a result into blocks; html, markdown and console each render every
 * kind of block and know no section. What only one of them has room for is marked with its medium.
 */
import type { ArmName, Result, Verdict } from '../sim/result.ts';
import type { LegendItem } from './charts/palette.ts';
import type { Markup } from './html/markup.ts';
import type { Inline, Medium, Tone } from './inline.ts';
import type { NamedArm } from './rows.ts';

/** What a section is made from. */
export interface Run {
  readonly result: Result;
  readonly arms: readonly NamedArm[];
}

export interface SectionSpec {
  /** Unique; the anchor of the section in the page. */
  readonly id: string;
  /** Null where the run has nothing for it. */
  readonly render: (run: Run) => Section | null;
}

export interface Section {
  /** Absent: the section stands at the head of the document, which has no title of its own. */
  readonly title?: Inline;
  /** For the list of sections, when the title is long. */
  readonly short?: string;
  /** For html and markdown; a section without a block for a medium does not appear there. */
  readonly blocks: readonly (Block | null | false)[];
  /** For the verdict block of a terminal, which has one screen: nothing of most sections. */
  readonly console?: Readonly<Partial<Record<ConsolePlace, readonly (Block | null | false)[]>>>;
}

/** Parts of the verdict block from top to bottom; within a part, blocks keep the order of the sections. */
export const CONSOLE_PLACES = [
  'verdict',
  'tables',
  'facts',
  'asides',
  'problems',
  'ending',
] as const;
export type ConsolePlace = (typeof CONSOLE_PLACES)[number];

/** Absent: html and markdown. */
export interface ForMedia {
  readonly media?: readonly Medium[];
}

export type Block = ForMedia &
  (
    | Headline
    | Paragraph
    | Lead
    | Arms
    | Pairs
    | List
    | Table
    | Matrix
    | Figure
    | Figures
    | Details
    | Code
    | Columns
  );

export interface Headline {
  readonly kind: 'headline';
  readonly verdict: Verdict;
  readonly sentence: string;
  readonly scenario: string;
  readonly title: string;
  readonly exit: string;
  /** When, and which run. */
  readonly run: string;
  /** `quick run`, for a terminal. */
  readonly marks: readonly string[];
}

export interface Paragraph {
  readonly kind: 'paragraph';
  /** `below`: a note after a table; `banner`, `alert`: must not be overlooked. */
  readonly style?: 'note' | 'below' | 'banner' | 'alert';
  readonly content: Inline;
}

/** The sentence a section is about. */
export interface Lead {
  readonly kind: 'lead';
  readonly arm?: ArmName;
  readonly text: string;
  readonly note?: string;
}

/** What each arm was, what was promised of it and what came of it. */
export interface Arms {
  readonly kind: 'arms';
  readonly arms: readonly NamedArm[];
}

export interface Pair {
  readonly label: Inline;
  readonly content: Inline;
  /** A terminal gathers what is said of one arm. */
  readonly arm?: ArmName;
  /** A terminal cuts it to one line. */
  readonly isOneLine?: boolean;
}

export interface Pairs {
  readonly kind: 'pairs';
  /** `words`: definitions; `lede`: what a reader must know first; `keys`: figures in the largest size. */
  readonly style?: 'words' | 'lede' | 'keys' | 'keys compared';
  readonly pairs: readonly (Pair | null | false)[];
}

export interface ListItem {
  readonly content: Inline;
  readonly tone?: Tone;
  readonly arm?: ArmName;
}

export interface List {
  readonly kind: 'list';
  readonly isOrdered?: boolean;
  readonly items: readonly ListItem[];
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
  /** Holds shares: figures, though not set as such beside their bars. */
  readonly isShare?: boolean;
}

export interface Row extends ForMedia {
  /** One for each column; the first is the row's header. */
  readonly cells: readonly Inline[];
  readonly isTotal?: boolean;
}

export interface Table {
  readonly kind: 'table';
  /** For a reader who cannot see it. */
  readonly label: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

/**
 * Items by arm. Where there is room, one row an item and one column an arm, whose cells show all at once;
 * elsewhere a list, one row for each item and arm, whose fields are columns.
 */
export interface Matrix {
  readonly kind: 'matrix';
  readonly label: string;
  readonly title: Inline;
  readonly about?: string;
  readonly arms: readonly NamedArm[];
  readonly fields: readonly Column[];
  readonly items: readonly { readonly head: Inline; readonly cells: readonly (Cell | null)[] }[];
  /** In place of a cell that is null. */
  readonly missing?: Inline;
  /** Where it is a list; absent: where tables have no colour. */
  readonly listIn?: readonly Medium[];
  /** Where the list goes arm by arm, not item by item. */
  readonly armFirstIn?: readonly Medium[];
}

export interface Cell {
  readonly shown: Inline;
  readonly fields: readonly Inline[];
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
  readonly charts: readonly {
    readonly arm: NamedArm;
    readonly chart: Chart;
    readonly caption?: Inline;
  }[];
  /** Below each other, with these numbered names; absent: side by side. */
  readonly numbered?: readonly string[];
  /** On one printed page, if it fits. */
  readonly isKept?: boolean;
  /** For formats without charts. */
  readonly instead?: readonly (Block | null | false)[];
}

/** Shut until asked for, where a format can. */
export interface Details {
  readonly kind: 'details';
  readonly summary: Inline;
  readonly isOpen?: boolean;
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
  readonly blocks: readonly (Block | null | false)[];
}

/** How to read what follows on the page; a plain table needs no such words. */
export function intro(content: Inline): Block {
  return { kind: 'paragraph', style: 'note', content, media: ['html'] };
}

export function armColumns(arms: readonly NamedArm[], about?: string): Column[] {
  return arms.map(({ name }) => ({
    title: name,
    arm: name,
    ...(about !== undefined && { about }),
  }));
}
