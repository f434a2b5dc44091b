/** Text for a terminal: aligned columns, lines no longer than the width, optional colour. */
import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';
import { oneLine } from './format.ts';

export type Tone = 'good' | 'bad' | 'doubt' | 'strong' | 'faint';

/** Adds the escape codes of a tone. */
export type ColorText = (text: string, tone: Tone) => string;

/** A piece of a line. Escape codes of its tone do not count as width. */
export interface Span {
  readonly text: string;
  readonly tone?: Tone;
}

export function span(text: string, tone?: Tone): Span {
  const clean = oneLine(text);
  return tone === undefined ? { text: clean } : { text: clean, tone };
}

/** Columns that the text takes in a terminal; CJK, Hangul, full-width forms and emoji take two. */
export const displayWidth = (text: string): number => stringWidth(text);

const graphemes = new Intl.Segmenter();

/** At most `width` columns; `…` marks what was cut. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  for (const { segment } of graphemes.segment(text)) {
    if (displayWidth(kept + segment) > width - 1) break;
    kept += segment;
  }
  return width < 1 ? '' : `${kept}…`;
}

/**
 * Breaks text at spaces; always at least one line. A word longer than a line is broken too, or with `keepWords` keeps a
 * line of its own, so that a path or a command can be copied.
 */
export function wrap(text: string, width: number, { keepWords = false } = {}): string[] {
  return wrapAnsi(oneLine(text), width, { hard: !keepWords }).split('\n');
}

type Alignment = 'left' | 'right';

/** Every column as wide as its widest cell, with two spaces between columns; left-aligned by default. */
export function alignColumns(
  rows: readonly (readonly Span[])[],
  alignments: readonly (Alignment | undefined)[] = [],
): Span[][] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, index) =>
    Math.max(0, ...rows.map((row) => displayWidth(row[index]?.text ?? ''))),
  );
  return rows.map((row) =>
    row.flatMap((cell, index) => {
      const padding = ' '.repeat(widths[index]! - displayWidth(cell.text));
      const isLast = index === row.length - 1;
      if (alignments[index] === 'right')
        return [{ text: padding }, cell, ...(isLast ? [] : [{ text: '  ' }])];
      return isLast ? [cell] : [cell, { text: `${padding}  ` }];
    }),
  );
}

export interface TextColumn {
  readonly title: string;
  readonly align?: Alignment;
}

/** A plain table. The last column is wrapped at the width, unless it is right-aligned. */
export function formatTextTable(
  columns: readonly TextColumn[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  const last = columns.length - 1;
  const all = [columns.map(({ title }) => title), ...rows];
  const indent = columns
    .slice(0, last)
    .map((_, index) => Math.max(...all.map((row) => displayWidth(row[index] ?? ''))) + 2)
    .reduce((sum, columnWidth) => sum + columnWidth, 0);
  const isWrapped = columns[last]?.align !== 'right';
  const lines = all.flatMap((row) => {
    const texts = isWrapped
      ? wrap(row[last] ?? '', Math.max(20, width - indent), { keepWords: true })
      : [row[last] ?? ''];
    return texts.map((text, index) => [
      ...columns.slice(0, last).map((_, at) => ({ text: index === 0 ? (row[at] ?? '') : '' })),
      { text },
    ]);
  });
  return alignColumns(
    lines,
    columns.map(({ align }) => align),
  )
    .map(
      (line) =>
        `${line
          .map(({ text }) => text)
          .join('')
          .trimEnd()}\n`,
    )
    .join('');
}

/** One line, cut at the width. */
export function renderLine(
  spans: readonly Span[],
  { colorText, width }: { colorText: ColorText | null; width: number },
): string {
  let left = width;
  let line = '';
  for (const { text, tone } of spans) {
    const shown = truncate(text, left);
    left -= displayWidth(shown);
    line +=
      colorText !== null && tone !== undefined && shown !== '' ? colorText(shown, tone) : shown;
    if (shown !== text) break;
  }
  return colorText === null ? line.trimEnd() : line;
}
