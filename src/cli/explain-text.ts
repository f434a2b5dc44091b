/** Paragraphs, entries and tables of plain text, as `platform explain` writes them. */
import { textTable, wrap } from './text-table.ts';

/** A name in a column of its own, its text beside it. */
export function entry(name: string, text: string, width: number, column = 8): string {
  const [head = '', ...rest] = wrap(text, width - column);
  return [name.padEnd(column) + head, ...rest.map((line) => ' '.repeat(column) + line), ''].join(
    '\n',
  );
}

/** Entries whose texts begin in one column. */
export function entries(rows: readonly (readonly [string, string])[], width: number): string {
  const column = Math.max(8, ...rows.map(([name]) => name.length + 2));
  return rows.map(([name, text]) => entry(name, text, width, column)).join('');
}

export function paragraph(text: string, width: number): string {
  return `${wrap(text, width).join('\n')}\n`;
}

export function section(title: string, body: string): string {
  return `\n${title}\n${indent(body)}`;
}

export function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

export function plainTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  return textTable(
    titles.map((title) => ({ title })),
    rows,
    width,
  );
}

export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
