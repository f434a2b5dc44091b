/** Every kind of block as HTML. */
import type {
  Arms,
  Block,
  Column,
  Columns,
  Details,
  Figure,
  Figures,
  Group,
  Headline,
  Lead,
  List,
  Matrix,
  Pair,
  Pairs,
  Paragraph,
  Table,
} from '../blocks.ts';
import type { LegendItem } from '../charts/palette.ts';
import { bound, sentence } from '../format.ts';
import { type Inline, judged } from '../inline.ts';
import { blocksFor, tableFor } from '../table-layout.ts';
import { expectationText, verdictMark } from '../wording.ts';
import { inlineHtml } from './inline.ts';
import { html, type Markup, raw } from './markup.ts';

export function blocksHtml(blocks: readonly (Block | null | false)[]): Markup {
  return raw(
    blocksFor('html', blocks)
      .map((block) => blockHtml(block).markup)
      .join('\n'),
  );
}

function blockHtml(block: Block): Markup {
  switch (block.kind) {
    case 'headline':
      return headlineHtml(block);
    case 'paragraph':
      return paragraphHtml(block);
    case 'lead':
      return leadHtml(block);
    case 'arms':
      return armsHtml(block);
    case 'pairs':
      return pairsHtml(block);
    case 'list':
      return listHtml(block);
    case 'table':
    case 'matrix':
      return tableHtml(block);
    case 'figure':
      return figureHtml(block);
    case 'figures':
      return figuresHtml(block);
    case 'details':
      return detailsHtml(block);
    case 'code':
      return html`<pre tabindex="0">${block.text}</pre>`;
    case 'columns':
      return columnsHtml(block);
    default:
      return block satisfies never;
  }
}

/** A sentence about three arms is too long to be set in the largest size. */
const LONG_SENTENCE = 120;

function headlineHtml({ verdict, sentence: said, scenario, exit, run }: Headline): Markup {
  return html`<div class="top"><span><b>platform sim</b> ${scenario}</span><span>${run}</span></div>
<p class="badge ${verdict}"><span>${verdictMark(verdict)} ${verdict.toUpperCase()}</span><small>${exit}</small></p>
<h1${said.length > LONG_SENTENCE && raw(' class="long"')}>${bound(said)}</h1>`;
}

const PARAGRAPH_CLASSES = {
  note: 'note',
  below: 'note below',
  banner: 'banner',
  alert: 'banner bad',
} as const;

function paragraphHtml({ style, content }: Paragraph): Markup {
  const attribute = style === undefined ? '' : ` class="${PARAGRAPH_CLASSES[style]}"`;
  return html`<p${raw(attribute)}>${inlineHtml(content)}</p>`;
}

function leadHtml({ arm, text, note }: Lead): Markup {
  const said =
    arm === undefined
      ? html`<b>${text}.</b>`
      : html`<b class="${arm}-ink">${arm}</b> ${bound(text)}`;
  return html`<p class="big">${said}</p>${note !== undefined && html`<p class="note">${note}</p>`}`;
}

function armsHtml({ arms }: Arms): Markup {
  return html`<div class="arms text">${arms.map(
    ({ name, arm }) =>
      html`<div><p><b class="${name}-ink">${name}</b> ${inlineHtml(judged(arm.verdict, expectationText(arm)))}</p>
<p class="note">${bound(sentence(arm.reason))} <span class="nowrap">Design <code>${arm.design}</code>.</span> ${arm.description}</p></div>`,
  )}</div>`;
}

function pairsHtml({ style, pairs }: Pairs): Markup {
  const given = pairs.filter((pair): pair is Pair => !!pair);
  if (style === undefined || style === 'words') {
    return html`<dl class="pairs ${style ?? ''}">${given.map(({ label, content }) => html`<dt>${inlineHtml(label)}</dt><dd>${inlineHtml(content)}</dd>`)}</dl>`;
  }
  const gap = style === 'lede' ? '' : '\n';
  const each = style === 'keys compared' && raw(' class="each"');
  return html`<dl class="${style}">${gap}${given.map(
    ({ label, content }) =>
      html`<div><dt>${inlineHtml(label)}</dt><dd${each}>${inlineHtml(content)}</dd></div>${gap}`,
  )}</dl>`;
}

function listHtml({ isOrdered = false, items }: List): Markup {
  const lines = items.map(({ content }) => html`<li>${inlineHtml(content)}</li>`);
  return isOrdered ? html`<ol>${lines}</ol>` : html`<ul>${lines}</ul>`;
}

/** The first cell of a row is its header. Scrolls in itself when the page is too narrow. */
function tableHtml(block: Table | Matrix): Markup {
  const { label, columns, rows } = tableFor('html', block);
  const cell = (content: Inline, index: number) =>
    index === 0
      ? html`<th scope="row"${classOf(columns[0])}>${inlineHtml(content)}</th>`
      : html`<td${classOf(columns[index])}>${inlineHtml(content)}</td>`;
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${columns.map((column) => html`<th scope="col"${classOf(column)}>${titleHtml(column)}</th>`)}</tr></thead>
<tbody>${rows.map(({ cells, isTotal }) => html`<tr${isTotal === true && raw(' class="total"')}>${cells.map(cell)}</tr>\n`)}</tbody>
</table></div>`;
}

function classOf(column: Column | undefined): Markup {
  const names = [column?.isNumeric ? 'num' : '', column?.isOptional ? 'limit' : ''];
  const classes = names.filter((name) => name !== '').join(' ');
  return raw(classes === '' ? '' : ` class="${classes}"`);
}

function titleHtml({ title, arm, about }: Column): Markup {
  if (arm === undefined) return inlineHtml(title);
  return html`<span class="${arm}-ink">${inlineHtml(title)}</span>${about !== undefined && html` <span class="about">${about}</span>`}`;
}

function legendHtml(items: readonly LegendItem[]): Markup {
  return html`<ul class="legend">${items.map(
    ({ role, text, shape }) =>
      html`<li><span class="key ${shape ?? ''}" style="--c:var(--${role})"></span>${text}</li>`,
  )}</ul>`;
}

function figureHtml({ legend, chart, caption, beside }: Figure): Markup {
  const drawing = chart();
  const width = beside === undefined && raw(' style="max-width:760px"');
  const figure =
    drawing !== null &&
    html`<figure${width}>${legendHtml(legend)}${drawing}${captionHtml(caption)}</figure>`;
  if (beside === undefined) return html`${figure}`;
  return html`<div class="beside${beside.isBelow && ' stacked'}">${figure}<div>${tableHtml(beside.block)}</div></div>`;
}

function captionHtml(caption: Inline): Markup | false {
  return caption !== undefined && html`<figcaption>${inlineHtml(caption)}</figcaption>`;
}

function figuresHtml({ legend, charts, numbered, isKept }: Figures): Markup {
  const isStacked = numbered !== undefined;
  const columns = ['', ' single', '', ' three'][charts.length] ?? '';
  const drawings = html`<div class="arms${isStacked ? ' single stacked' : columns}">${charts.map(
    ({ arm: { name, arm }, chart, caption }) =>
      html`<figure><div class="arm-name"><b class="${name}-ink">${name}</b><span>${arm.design}</span></div>${chart()}${captionHtml(caption)}</figure>`,
  )}</div>`;
  const names =
    isStacked && html`<ol class="numbered">${numbered.map((name) => html`<li>${name}</li>`)}</ol>`;
  if (isKept !== true) return html`${legendHtml(legend)}${names}${drawings}`;
  return html`<div class="keep${isStacked && ' tall'}">${legendHtml(legend)}\n${names}${drawings}</div>`;
}

function detailsHtml({ summary, isOpen, body }: Details): Markup {
  return html`<details${isOpen === true && raw(' open')}><summary>${inlineHtml(summary)}</summary>${blockHtml(body)}</details>`;
}

function columnsHtml({ columns }: Columns): Markup {
  const shown = columns.map((groups) =>
    groups.filter(({ blocks }) => blocksFor('html', blocks).length > 0),
  );
  const column = (groups: readonly Group[]) =>
    raw(
      `<div>${groups.map((group, index) => groupHtml(group, index > 0).markup).join('\n')}</div>`,
    );
  const filled = shown.filter((groups) => groups.length > 0).map((groups) => column(groups).markup);
  if (filled.length === 0) return raw('');
  return raw(`<div class="facts" style="margin-top:24px">${filled.join('\n')}</div>`);
}

function groupHtml({ heading, blocks }: Group, isLater: boolean): Markup {
  const gap = isLater && raw(' style="margin-top:20px"');
  return html`<h3${gap}>${heading}</h3>${blocksHtml(blocks)}`;
}
