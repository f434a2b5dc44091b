/** The few building blocks of the page: section, table, verdict, legend, one column per arm. */
import type { Verdict } from '../../sim/result.ts';
import type { Role } from '../charts/palette.ts';
import type { NamedArm } from '../rows.ts';
import { verdictMark, verdictWord } from '../wording.ts';
import { html, type Markup } from './markup.ts';

export type Content = Markup | string | number | null | false | readonly Content[];

export interface Section {
  readonly id: string;
  readonly title: string;
  /** For the list of sections, when the title is long. */
  readonly short?: string;
  readonly body: Markup;
}

export interface Column {
  readonly title: Content;
  readonly numeric?: boolean;
  /** Left out on a phone: said elsewhere. */
  readonly limit?: boolean;
}

/** Rows of cells; the first cell of a row is its header. Scrolls in itself when the page is too narrow. */
export function dataTable(
  label: string,
  columns: readonly Column[],
  rows: readonly (readonly Content[])[],
  totals: readonly (readonly Content[])[] = [],
): Markup {
  const cell = (content: Content, index: number) =>
    index === 0
      ? html`<th scope="row"${kind(columns[0])}>${content}</th>`
      : html`<td${kind(columns[index])}>${content}</td>`;
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${columns.map((column) => html`<th scope="col"${kind(column)}>${column.title}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}${totals.map((row) => html`<tr class="total">${row.map(cell)}</tr>\n`)}</tbody>
</table></div>`;
}

function kind(column: Column | undefined): Content {
  const names = [column?.numeric ? 'num' : '', column?.limit ? 'limit' : ''].filter((name) => name);
  return names.length > 0 && html` class="${names.join(' ')}"`;
}

/** One column for each arm, in its colour. */
export function armColumns(arms: readonly NamedArm[], about = ''): Column[] {
  return arms.map(({ name }) => ({
    title: html`<span class="${name}-ink">${name}</span>${about !== '' && html` <span class="about">${about}</span>`}`,
  }));
}

/** Mark and word, never colour alone. */
export function verdictOf(verdict: Verdict, word = verdictWord(verdict)): Markup {
  return html`<span class="verdict ${verdict}">${verdictMark(verdict)} ${word}</span>`;
}

export interface LegendItem {
  readonly role: Role;
  readonly text: string;
  readonly shape?: 'dash' | 'thin' | 'box' | 'dot' | 'hatched';
}

export function legend(items: readonly LegendItem[]): Markup {
  return html`<ul class="legend">${items.map(
    ({ role, text, shape }) =>
      html`<li><span class="key ${shape ?? ''}" style="--c:var(--${role})"></span>${text}</li>`,
  )}</ul>`;
}

/** One column per arm, so that before stands beside after. */
export function perArm(
  arms: readonly NamedArm[],
  draw: (named: NamedArm) => Content,
  { stacked = false } = {},
): Markup {
  const columns = ['', ' single', '', ' three'][arms.length] ?? '';
  const kind = stacked ? ' single stacked' : columns;
  return html`<div class="arms${kind}">${arms.map(
    (named) => html`<figure>${armName(named)}${draw(named)}</figure>`,
  )}</div>`;
}

export function armName({ name, arm }: NamedArm): Markup {
  return html`<div class="arm-name"><b class="${name}-ink">${name}</b><span>${arm.design}</span></div>`;
}

export function paragraph(content: Content): Markup {
  return html`<p class="note">${content}</p>`;
}

export function pairs(
  rows: readonly (readonly [label: string, content: Content])[],
  kind = '',
): Markup {
  return html`<dl class="pairs ${kind}">${rows.map(([label, content]) => html`<dt>${label}</dt><dd>${content}</dd>`)}</dl>`;
}
