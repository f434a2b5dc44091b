/** HTML from untrusted text. `html` escapes every interpolated value except Markup, which only `html` and `raw` make. */
import { replaceUnprintable } from '../format.ts';

export interface Markup {
  readonly markup: string;
}

type Value = string | number | Markup | null | false | readonly Value[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return replaceUnprintable(text).replace(/[&<>"']/g, (char) => entities[char]!);
}

export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  const parts = strings.map(
    (text, index) => text + (index < values.length ? toMarkup(values[index]!) : ''),
  );
  return { markup: parts.join('') };
}

/** For SVG and CSS from this program only. */
export function raw(markup: string): Markup {
  return { markup };
}

function toMarkup(value: Value): string {
  if (value === null || value === false) return '';
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return String(value);
  return 'markup' in value ? value.markup : value.map(toMarkup).join('');
}
