/**
 * HTML from untrusted text. Everything interpolated into `html` is escaped; only what `html` or `raw` made
 * passes unescaped, and the type tells them apart.
 */
import { printable } from '../format.ts';

export interface Markup {
  readonly markup: string;
}

type Value = string | number | Markup | null | false | readonly Value[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return printable(text).replace(/[&<>"']/g, (char) => ENTITIES[char]!);
}

export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  const parts = strings.map(
    (text, index) => text + (index < values.length ? show(values[index]!) : ''),
  );
  return { markup: parts.join('') };
}

/** For SVG and CSS that this program made itself. */
export function raw(markup: string): Markup {
  return { markup };
}

function show(value: Value): string {
  if (value === null || value === false) return '';
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return String(value);
  return 'markup' in value ? value.markup : value.map(show).join('');
}
