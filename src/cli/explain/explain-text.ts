/** Plain text of `platform explain`: paragraphs, entries, sections, tables. */
import { formatTextTable, wrap } from '../../report/terminal-text.ts';

/** A name in the first column, its text in the second. */
export function formatEntry(name: string, text: string, width: number, column = 8): string {
  const [head = '', ...rest] = wrap(text, width - column, { keepWords: true });
  return [name.padEnd(column) + head, ...rest.map((line) => ' '.repeat(column) + line), ''].join(
    '\n',
  );
}

/** Entries with aligned texts. */
export function formatEntries(rows: readonly (readonly [string, string])[], width: number): string {
  const column = Math.max(8, ...rows.map(([name]) => name.length + 2));
  return rows.map(([name, text]) => formatEntry(name, text, width, column)).join('');
}

export function formatParagraph(text: string, width: number): string {
  return `${wrap(text, width, { keepWords: true }).join('\n')}\n`;
}

export function formatSection(title: string, body: string): string {
  return `\n${title}\n${indent(body)}`;
}

export function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

export function formatTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  return formatTextTable(
    titles.map((title) => ({ title })),
    rows,
    width,
  );
}

export function joinList(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
