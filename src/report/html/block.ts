/** Every kind of block as HTML. */
import type { Result } from '../../sim/result.ts';
import { selectBlocks, selectTable } from '../block-selection.ts';
import type {
  Block,
  Blocks,
  ChartBlock,
  ChartsBlock,
  Column,
  Columns,
  Group,
  Matrix,
  Pairs,
  Table,
} from '../blocks.ts';
import { type LegendItem, paint } from '../charts/palette.ts';
import { bindUnits, formatInstant, toSentence } from '../format.ts';
import { type Inline, judged } from '../inline.ts';
import type { NamedArm } from '../rows.ts';
import { formatExitCode, formatExpectation, verdictMark } from '../wording.ts';
import { inlineHtml } from './inline.ts';
import { html, type Markup, raw } from './markup.ts';

export function blocksHtml(blocks: Blocks): Markup {
  const parts = selectBlocks('html', blocks).map((block) => blockHtml(block).markup);
  return raw(parts.join('\n'));
}

function blockHtml(block: Block): Markup {
  switch (block.kind) {
    case 'headline':
      return headlineHtml(block.result);
    case 'paragraph':
      return html`<p${block.style !== undefined && raw(` class="${paragraphClasses[block.style]}"`)}>${inlineHtml(block.content)}</p>`;
    case 'arms':
      return html`<div class="arms text">${block.arms.map((named) => armHtml(named, block.failed))}</div>`;
    case 'pairs':
      return pairsHtml(block);
    case 'list': {
      const items = block.items.map(([content]) => html`<li>${inlineHtml(content)}</li>`);
      return block.isOrdered ? html`<ol>${items}</ol>` : html`<ul>${items}</ul>`;
    }
    case 'table':
    case 'matrix':
      return tableHtml(block);
    case 'chart':
      return figureHtml(block);
    case 'charts':
      return figuresHtml(block);
    case 'details':
      return html`<details${block.isOpen && raw(' open')}><summary>${inlineHtml(block.summary)}</summary>${blockHtml(block.body)}</details>`;
    case 'code':
      return html`<pre tabindex="0">${block.text}</pre>`;
    case 'columns':
      return columnsHtml(block);
    default:
      return block satisfies never;
  }
}

const paragraphClasses = {
  note: 'note',
  big: 'big',
  below: 'note below',
  banner: 'banner',
  alert: 'banner bad',
} as const;

/** A longer sentence is set in a smaller size. */
const LONG_SENTENCE = 120;

function headlineHtml(result: Result): Markup {
  const { verdict, sentence: said } = result;
  return html`<div class="top"><span><b>platform sim</b> ${result.scenario}</span> <span>${formatInstant(result.startedAt)}, run ${result.runId}</span></div>
<p class="badge ${verdict}"><span>${verdictMark(verdict)} ${verdict.toUpperCase()}</span> <small>${formatExitCode(result.exitCode)}</small></p>
<h1${said.length > LONG_SENTENCE && raw(' class="long"')}>${bindUnits(said)}</h1>`;
}

function armHtml(named: NamedArm, failed: readonly string[]): Markup {
  const { name, arm } = named;
  return html`<div><p><b class="${name}-ink">${name}</b> ${inlineHtml(judged(arm.verdict, formatExpectation(named, failed)))}</p>
<p class="note">${bindUnits(toSentence(arm.reason))} <span class="nowrap">Design <code>${arm.design}</code>.</span> ${arm.description}</p></div>`;
}

function pairsHtml({ style, pairs }: Pairs): Markup {
  const rows = pairs.map(([label, content]) => [inlineHtml(label), inlineHtml(content)] as const);
  if (style === undefined || style === 'words')
    return html`<dl class="pairs ${style ?? ''}">${rows.map(([label, content]) => html`<dt>${label}</dt><dd>${content}</dd>`)}</dl>`;
  const gap = style === 'lede' ? '' : '\n';
  const each = style === 'keys compared' && raw(' class="each"');
  return html`<dl class="${style}">${gap}${rows.map(([label, content]) => html`<div><dt>${label}</dt><dd${each}>${content}</dd></div>${gap}`)}</dl>`;
}

/** The first cell of a row is its header. The table scrolls if the page is too narrow. */
function tableHtml(block: Table | Matrix): Markup {
  const { label, columns, rows } = selectTable('html', block);
  const cell = (content: Inline, index: number) =>
    index === 0
      ? html`<th scope="row" align="left"${classOf(columns[0])}>${inlineHtml(content)}</th>`
      : html`<td${classOf(columns[index])}>${inlineHtml(content)}</td>`;
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table cellpadding="4">
<thead><tr>${columns.map((column) => html`<th scope="col" align="left"${classOf(column)}>${titleHtml(column)}</th>`)}</tr></thead>
<tbody>${rows.map(({ cells, isTotal = false }) => html`<tr${isTotal && raw(' class="total"')}>${cells.map(cell)}</tr>\n`)}</tbody>
</table></div>`;
}

function classOf({ isNumeric, isOptional }: Partial<Column> = {}): Markup | false {
  const classes = [...(isNumeric ? ['num'] : []), ...(isOptional ? ['limit'] : [])].join(' ');
  return classes !== '' && raw(` class="${classes}"`);
}

function titleHtml({ title, arm, about }: Column): Markup {
  if (arm === undefined) return inlineHtml(title);
  return html`<span class="${arm}-ink">${arm}</span>${about !== undefined && html` <span class="about">${about}</span>`}`;
}

function legendHtml(items: readonly LegendItem[]): Markup {
  return html`<ul class="legend">${items.map(
    ({ role, text, shape }) => html`<li>${keyHtml(role, shape)} ${text}</li>`,
  )}</ul>`;
}

/** A drawing, because a box with a background is only there with a style sheet. */
function keyHtml(role: LegendItem['role'], shape: LegendItem['shape']): Markup {
  const ink = paint(role);
  const strokes = { dash: [2, ' stroke-dasharray="4 3"'], thin: [2, ''] } as const;
  const [width, dashes] = shape === 'dash' || shape === 'thin' ? strokes[shape] : [2.5, ''];
  const line = `<path d="M0 6H20" stroke="${ink}" stroke-width="${width}"${dashes}/>`;
  const box = `<path d="M4 0H16V12H4Z" fill="${ink}"/>`;
  const ground = `<path d="M0 0H20V12H0Z" fill="${paint('paper')}"/>`;
  const shapes = { box, hatched: box, dot: `<circle cx="10" cy="6" r="4.5" fill="${ink}"/>` };
  const drawn = shape === undefined || shape === 'dash' || shape === 'thin' ? line : shapes[shape];
  return raw(`<svg class="key" width="20" height="12" aria-hidden="true">${ground}${drawn}</svg>`);
}

function captionHtml(caption: Inline): Markup | false {
  return caption !== undefined && html`<figcaption>${inlineHtml(caption)}</figcaption>`;
}

function figureHtml({ legend, chart, caption, beside }: ChartBlock): Markup {
  const drawing = chart();
  const width = beside === undefined && raw(' class="column"');
  const figure =
    drawing !== null &&
    html`<figure${width}>${legendHtml(legend)}${drawing}${captionHtml(caption)}</figure>`;
  if (beside === undefined) return html`${figure}`;
  return html`<div class="beside${beside.isBelow && ' stacked'}">${figure}<div>${tableHtml(beside.block)}</div></div>`;
}

const numberedHtml = (names: readonly string[]): Markup | false =>
  names.length > 0 &&
  html`<ol class="numbered">${names.map((name) => html`<li>${name}</li>`)}</ol>`;

function figuresHtml({ legend, charts, numbered, isKept }: ChartsBlock): Markup {
  const isStacked = numbered !== undefined;
  const columns = isStacked
    ? ' single stacked'
    : (['', ' single', '', ' three'][charts.length] ?? '');
  const drawings = html`<div class="arms${columns}">${charts.map(
    ({ arm: { name, arm }, chart, caption, numbered: ofArm = [] }) =>
      html`<figure><div class="arm-name"><b class="${name}-ink">${name}</b> <span>${arm.design}</span></div>${numberedHtml(ofArm)}${chart()}${captionHtml(caption)}</figure>`,
  )}</div>`;
  const names = numberedHtml(numbered ?? []);
  if (!isKept) return html`${legendHtml(legend)}${names}${drawings}`;
  return html`<div class="keep${isStacked && ' tall'}">${legendHtml(legend)}\n${names}${drawings}</div>`;
}

function columnsHtml({ columns }: Columns): Markup {
  const filled = columns
    .map((groups) => groups.filter(({ blocks }) => selectBlocks('html', blocks).length > 0))
    .filter((groups) => groups.length > 0);
  const group = ({ heading, blocks }: Group, index: number) =>
    html`${index > 0 && '\n'}<h3${index > 0 && raw(' class="next"')}>${heading}</h3>${blocksHtml(blocks)}`;
  const column = (groups: readonly Group[], index: number) =>
    html`${index > 0 && '\n'}<div>${groups.map(group)}</div>`;
  return html`<div class="facts">${filled.map(column)}</div>`;
}
