/**
 * The verdict block of `platform sim`: one screen that answers pass or fail, by how much, why, and what to
 * type next. What is as it should be takes one line; what is not is spelled out.
 */
import type { ArmName, Result } from '../sim/result.ts';
import {
  type Block,
  CONSOLE_PLACES,
  type Headline,
  type ListItem,
  type Matrix,
  type Pair,
  type SectionSpec,
  type Table,
} from './blocks.ts';
import { namedArms } from './rows.ts';
import { sections as allSections } from './sections.ts';
import { blocksFor, tableFor } from './table-layout.ts';
import { inlineSpan } from './terminal-inline.ts';
import { columns, paint, type Span, span, wrap } from './terminal-text.ts';
import { expectationText, toneOf, verdictMark } from './wording.ts';

export interface ConsoleOptions {
  readonly color: boolean;
  readonly width: number;
  readonly folder: string;
}

type Line = readonly Span[];
const INDENT = span('');
const GAP: Span = { text: '  ' };
const LABEL_WIDTH = 12;

/** Lines that stay together; what is said of one arm is gathered where several of a kind meet. */
interface Part {
  readonly kind: Block['kind'];
  readonly arm?: ArmName | undefined;
  readonly lines: readonly Line[];
}

export function renderConsole(
  result: Result,
  options: ConsoleOptions,
  sections: readonly SectionSpec[] = allSections,
): string {
  const arms = namedArms(result);
  const width = Math.max(20, options.width);
  const rendered = sections.flatMap(({ render }) => render({ result, arms })?.console ?? []);
  const file = `${options.folder.replace(/\/+$/, '')}/report.html`;
  const report: Block = { kind: 'pairs', pairs: [{ label: 'report', content: file }] };
  const paragraphs = CONSOLE_PLACES.flatMap((place) => {
    const given = rendered.flatMap((blocks) => blocksFor('console', blocks[place] ?? []));
    const blocks = place === 'ending' ? [report, ...given] : given;
    const parts = blocks.flatMap((block) => partsOf(block, width));
    return paragraphsOf(parts, ({ arm }) => arms.findIndex(({ name }) => name === arm));
  });
  const lines = paragraphs
    .filter((paragraph) => paragraph.length > 0)
    .flatMap((paragraph, index) => (index === 0 ? paragraph : [[INDENT], ...paragraph]))
    .map((line) => paint(line, { color: options.color, width }));
  return `${lines.join('\n')}\n`;
}

/** Neighbouring pairs and list items are one paragraph, arm by arm; anything else stands alone. */
function paragraphsOf(parts: readonly Part[], order: (part: Part) => number): Line[][] {
  const groups: Part[][] = [];
  for (const part of parts) {
    const last = groups.at(-1);
    const isMore = part.kind === 'pairs' || part.kind === 'list';
    if (last !== undefined && isMore && last[0]!.kind === part.kind) last.push(part);
    else groups.push([part]);
  }
  return groups.map((group) =>
    group.sort((a, b) => order(a) - order(b)).flatMap(({ lines }) => lines),
  );
}

function partsOf(block: Block, width: number): Part[] {
  const { kind } = block;
  const all = (blocks: readonly (Block | null | false)[]) =>
    blocksFor('console', blocks).flatMap((inner) => partsOf(inner, width));
  const text = (...spans: readonly Span[]): Part[] => [
    { kind, lines: spans.flatMap((one) => wrapped([GAP], one, width - 2)) },
  ];
  switch (kind) {
    case 'headline':
      return [{ kind, lines: headline(block, width) }];
    case 'paragraph':
      return text(inlineSpan(block.content));
    case 'lead':
      return text(span([block.arm ?? '', block.text].join(' '), 'strong'), span(block.note ?? ''));
    case 'arms':
      return block.arms.map(({ name, arm }) => ({
        kind: 'pairs',
        lines: pairLines({ label: name, content: `${expectationText(arm)}. ${arm.reason}` }, width),
      }));
    case 'pairs':
      return block.pairs.flatMap((pair) =>
        pair ? [{ kind, arm: pair.arm, lines: pairLines(pair, width) }] : [],
      );
    case 'list':
      return block.items.map((item) => ({ kind, arm: item.arm, lines: itemLines(item, width) }));
    case 'table':
    case 'matrix':
      return [{ kind, lines: tableLines(block) }];
    case 'figure':
      return block.beside === undefined ? [] : all([block.beside.block]);
    case 'figures':
      return all(block.instead ?? []);
    case 'details':
      return [...text(inlineSpan(block.summary)), ...all([block.body])];
    case 'code':
      return [{ kind, lines: block.text.split('\n').map((line) => [GAP, span(line)]) }];
    case 'columns':
      return block.columns.flat().flatMap(({ blocks }) => all(blocks));
    default:
      return block satisfies never;
  }
}

function headline(block: Headline, width: number): Line[] {
  const { verdict, sentence, scenario, title, exit, marks } = block;
  const head = `${verdictMark(verdict)} ${verdict.toUpperCase()}`;
  const [first = '', ...rest] = wrap(sentence, width - head.length - 2);
  const indent: Span = { text: ' '.repeat(head.length + 2) };
  return [
    [span(head, toneOf(verdict)), GAP, span(first, 'strong')],
    ...rest.map((text) => [indent, span(text, 'strong')]),
    [indent, span([`${scenario} ${title}`, exit, ...marks].join(' · '), 'faint')],
  ];
}

function pairLines({ label, content, isOneLine = false }: Pair, width: number): Line[] {
  const room = width - LABEL_WIDTH - 2;
  const name = inlineSpan(label).text;
  const text = inlineSpan(content);
  const lead = (shown: string): Span[] => [GAP, { text: shown.padEnd(LABEL_WIDTH), tone: 'faint' }];
  const [first = '', ...rest] = wrap(text.text, room);
  if (isOneLine)
    return [[...lead(name), { ...text, text: rest.length > 0 ? `${first} …` : first }]];
  return [first, ...rest].map((line, index) => [
    ...lead(index === 0 ? name : ''),
    { ...text, text: line },
  ]);
}

function itemLines({ content, tone }: ListItem, width: number): Line[] {
  const mark = tone === 'bad' ? '✗' : tone === 'doubt' ? '?' : tone === 'faint' ? '!' : '-';
  const text = inlineSpan(content);
  return wrap(text.text, width - 4).map((line, index) => [
    { text: index === 0 ? `  ${mark} ` : '    ' },
    span(line, tone ?? text.tone),
  ]);
}

function tableLines(block: Table | Matrix): Line[] {
  const { columns: titles, rows } = tableFor('console', block);
  const header = titles.map(({ title }) => span(inlineSpan(title).text, 'faint'));
  const body = rows.map(({ cells }) => cells.map(inlineSpan));
  return columns([header, ...body].map(withoutEmptyEnd)).map((line) => [GAP, ...line]);
}

function withoutEmptyEnd(row: readonly Span[]): readonly Span[] {
  const last = row.findLastIndex(({ text }) => text !== '');
  return row.slice(0, last + 1);
}

function wrapped(lead: Line, { text, tone }: Span, width: number): Line[] {
  return text === '' ? [] : wrap(text, width).map((line) => [...lead, span(line, tone)]);
}
