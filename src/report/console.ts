/**
 * The verdict block of `platform sim`, on one screen: pass or fail, by how much, why, and what to type next. Only
 * problems get more than one line.
 */
import type { ArmName, Result } from '../sim/result.ts';
import { selectBlocks, selectTable } from './block-selection.ts';
import { type ConsoleBlock, consolePlaces, pairs, type Table } from './blocks.ts';
import type { Inline } from './inline.ts';
import { namedArms } from './rows.ts';
import { sections } from './sections.ts';
import { toSpan } from './terminal-inline.ts';
import {
  alignColumns,
  type ColorText,
  displayWidth,
  renderLine,
  type Span,
  span,
  wrap,
} from './terminal-text.ts';
import { formatExitCode, toneOf, verdictMark } from './wording.ts';

export interface ConsoleOptions {
  /** Null: no escape codes. */
  readonly colorText: ColorText | null;
  readonly width: number;
  readonly folder: string;
}

type Line = readonly Span[];
const emptyLine = span('');
const gap: Span = { text: '  ' };
const LABEL_WIDTH = 12;
/** Of the first column of a table, however wide the others are. */
const MIN_LABEL_WIDTH = 30;

/** Lines of one block, pair or list item. */
interface Part {
  readonly kind: ConsoleBlock['kind'];
  readonly arm?: ArmName | undefined;
  readonly lines: readonly Line[];
}

export function renderConsole(
  result: Result,
  options: ConsoleOptions,
  renderers = sections,
): string {
  const arms = namedArms(result);
  const width = Math.max(20, options.width);
  const rendered = renderers.flatMap((render) => render({ result, arms })?.console ?? []);
  const report = pairs([['report', `${options.folder.replace(/\/+$/, '')}/report.html`]]);
  const paragraphs = consolePlaces.flatMap((place) => {
    const first = place === 'ending' ? [report] : [];
    const blocks = [...first, ...rendered.flatMap((section) => section[place] ?? [])];
    const parts = selectBlocks('console', blocks).flatMap((block) => partsOf(block, width));
    return paragraphsOf(parts, ({ arm }) => arms.findIndex(({ name }) => name === arm));
  });
  const lines = paragraphs
    .flatMap((paragraph, index) => (index === 0 ? paragraph : [[emptyLine], ...paragraph]))
    .map((line) => renderLine(line, { colorText: options.colorText, width }));
  return `${lines.join('\n')}\n`;
}

/** Adjacent pairs and list items form one paragraph, sorted by arm; any other block is its own paragraph. */
function paragraphsOf(parts: readonly Part[], order: (part: Part) => number): Line[][] {
  const groups: Part[][] = [];
  for (const part of parts) {
    const last = groups.at(-1);
    const canJoin = part.kind === 'pairs' || part.kind === 'list';
    if (canJoin && last?.[0]?.kind === part.kind) last.push(part);
    else groups.push([part]);
  }
  return groups.map((group) =>
    group.sort((a, b) => order(a) - order(b)).flatMap(({ lines }) => lines),
  );
}

function partsOf(block: ConsoleBlock, width: number): Part[] {
  const { kind } = block;
  switch (kind) {
    case 'headline':
      return [{ kind, lines: headline(block.result, width) }];
    case 'paragraph': {
      const { text, tone } = toSpan(block.content);
      return [{ kind, lines: wrap(text, width - 2).map((line) => [gap, span(line, tone)]) }];
    }
    case 'pairs':
      return block.pairs.map(([label, content, arm]) => {
        return { kind, arm, lines: pairLines(label, content, width) };
      });
    case 'list':
      return block.items.map(([content, arm]) => ({ kind, arm, lines: itemLines(content, width) }));
    case 'table':
      return [{ kind, lines: tableLines(block, width) }];
    default:
      return block satisfies never;
  }
}

function headline(result: Result, width: number): Line[] {
  const { verdict, sentence, scenario, title } = result;
  const head = `${verdictMark(verdict)} ${verdict.toUpperCase()}`;
  const [first = '', ...rest] = wrap(sentence, width - head.length - 2);
  const indent: Span = { text: ' '.repeat(head.length + 2) };
  const about = [`${scenario} ${title}`, formatExitCode(result.exitCode)];
  if (result.aborted) about.push('aborted: this result is partial');
  if (result.quick) about.push('quick run');
  return [
    [span(head, toneOf(verdict)), gap, span(first, 'strong')],
    ...rest.map((text) => [indent, span(text, 'strong')]),
    [indent, span(about.join(' · '), 'faint')],
  ];
}

function pairLines(label: Inline, content: Inline, width: number): Line[] {
  const { text, tone } = toSpan(content);
  const lines = wrap(text, width - LABEL_WIDTH - 2);
  const isStatement = content !== null && typeof content === 'object' && 'style' in content;
  const shown =
    isStatement && content.style === 'statement' && lines.length > 1 ? [`${lines[0]} …`] : lines;
  return shown.map((line, index) => {
    const name = index === 0 ? toSpan(label).text : '';
    return [gap, { text: name.padEnd(LABEL_WIDTH), tone: 'faint' }, span(line, tone)];
  });
}

function itemLines(content: Inline, width: number): Line[] {
  const { text, tone } = toSpan(content);
  const mark = tone === 'bad' ? '✗' : tone === 'doubt' ? '?' : tone === 'faint' ? '!' : '-';
  return wrap(text, width - 4).map((line, index) => [
    { text: index === 0 ? `  ${mark} ` : '    ' },
    span(line, tone),
  ]);
}

/** Long labels continue on the next line, so that the values beside them stay in sight. */
function tableLines(table: Table, width: number): Line[] {
  const { columns: titles, rows } = selectTable('console', table);
  const header = titles.map(({ title }) => span(toSpan(title).text, 'faint'));
  const all = [header, ...rows.map(({ cells }) => cells.map(toSpan))];
  const valueWidths = titles
    .slice(1)
    .map(
      (_, index) => 2 + Math.max(...all.map((line) => displayWidth(line[index + 1]?.text ?? ''))),
    );
  const room = width - 2 - valueWidths.reduce((sum, one) => sum + one, 0);
  const lines = all.flatMap(([label = emptyLine, ...values]) => {
    const [first = '', ...rest] = wrap(label.text, Math.max(MIN_LABEL_WIDTH, room));
    return [
      [{ ...label, text: first }, ...values],
      ...rest.map((text) => [{ ...label, text: `  ${text}` }]),
    ].map((line) => line.slice(0, line.findLastIndex(({ text }) => text !== '') + 1));
  });
  return alignColumns(lines).map((line) => [gap, ...line]);
}
