/** Text for a terminal: columns that line up, lines that never pass the width, colour only when asked. */
import { oneLine } from './format.ts';

export type Tone = 'good' | 'bad' | 'doubt' | 'strong' | 'faint';

const CODES: Readonly<Record<Tone, string>> = {
  good: '32',
  bad: '31',
  doubt: '33',
  strong: '1',
  faint: '2',
};

/** A piece of a line; width counts its text, never its colour. */
export interface Span {
  readonly text: string;
  readonly tone?: Tone;
}

export function span(text: string, tone?: Tone): Span {
  const clean = oneLine(text);
  return tone === undefined ? { text: clean } : { text: clean, tone };
}

/** Columns a terminal gives to the text. Wide: CJK, Hangul, full-width forms, emoji. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

/** Cut to the width, with `…` for what is missing. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const char of text) {
    used += charWidth(char);
    if (used > width - 1) break;
    kept += char;
  }
  return width < 1 ? '' : `${kept}…`;
}

/** Broken at spaces, and inside a word only when it is longer than a line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text).split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (displayWidth(longer) <= width) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    line = '';
    for (const char of word) {
      if (displayWidth(line + char) > width) {
        lines.push(line);
        line = '';
      }
      line += char;
    }
  }
  return [...lines, line];
}

/** Rows of cells as lines; every column as wide as its widest cell, two spaces between. */
export function columns(rows: readonly (readonly Span[])[]): Span[][] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, index) =>
    Math.max(0, ...rows.map((row) => displayWidth(row[index]?.text ?? ''))),
  );
  return rows.map((row) =>
    row.flatMap((cell, index) => {
      const gap = widths[index]! - displayWidth(cell.text) + 2;
      return index === row.length - 1 ? [cell] : [cell, { text: ' '.repeat(gap) }];
    }),
  );
}

export function paint(
  spans: readonly Span[],
  { color, width }: { color: boolean; width: number },
): string {
  let left = width;
  let line = '';
  for (const { text, tone } of spans) {
    const shown = cut(text, left);
    left -= displayWidth(shown);
    line +=
      color && tone !== undefined && shown !== ''
        ? `\u001b[${CODES[tone]}m${shown}\u001b[0m`
        : shown;
    if (shown !== text) break;
  }
  return color ? line : line.trimEnd();
}

function charWidth(char: string): number {
  const point = char.codePointAt(0)!;
  const isWide =
    (point >= 0x1100 && point <= 0x115f) ||
    (point >= 0x2e80 && point <= 0xa4cf) ||
    (point >= 0xac00 && point <= 0xd7a3) ||
    (point >= 0xf900 && point <= 0xfaff) ||
    (point >= 0xfe30 && point <= 0xfe6f) ||
    (point >= 0xff00 && point <= 0xff60) ||
    (point >= 0x1f300 && point <= 0x1faff) ||
    (point >= 0x20000 && point <= 0x3fffd);
  return isWide ? 2 : 1;
}
