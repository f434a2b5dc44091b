/**
 * The report for a design review or a pull request, with tables instead of charts. Far below GitHub's limit of
 * 1,024 KiB for a step summary.
 */
import type { Result } from '../sim/result.ts';
import { selectBlocks, selectSections, selectTable } from './block-selection.ts';
import type { Block, Blocks, Column, List, Matrix, Pairs, Table } from './blocks.ts';
import { toSentence } from './format.ts';
import { type Inline, type InlineWriter, writeInline } from './inline.ts';
import { code, codeBlock, plain, table } from './markdown-text.ts';
import type { NamedArm } from './rows.ts';
import { sections } from './sections.ts';
import { formatExitCode, formatExpectation, verdictMark } from './wording.ts';

export function renderMarkdown(result: Result, renderers = sections): string {
  const { head, body } = selectSections('markdown', result, renderers);
  const parts = [
    ...head.flatMap(({ blocks }) => blocksMarkdown(blocks)),
    ...body.flatMap(({ title, blocks }) => [`## ${inline(title)}`, ...blocksMarkdown(blocks)]),
  ];
  return `${parts.join('\n\n')}\n`;
}

function blocksMarkdown(blocks: Blocks): string[] {
  return selectBlocks('markdown', blocks).flatMap(blockMarkdown);
}

/** Paragraphs of Markdown. */
function blockMarkdown(block: Block): string[] {
  switch (block.kind) {
    case 'headline':
      return headline(block.result);
    case 'paragraph': {
      const isBanner = block.style === 'banner' || block.style === 'alert';
      return [`${isBanner ? '> ' : ''}${inline(block.content).trim()}`];
    }
    case 'arms':
      return [block.arms.map((named) => armLine(named, block.failed)).join('\n')];
    case 'pairs':
      return pairs(block);
    case 'list':
      return [list(block)];
    case 'table':
    case 'matrix':
      return [tableMarkdown(block)];
    case 'chart':
      return block.beside === undefined ? [] : [tableMarkdown(block.beside.block)];
    case 'charts':
      return blocksMarkdown(block.instead ?? []);
    case 'details':
      return [inline(block.summary), ...blocksMarkdown([block.body])].filter((part) => part !== '');
    case 'code':
      return [codeBlock(block.text)];
    case 'columns':
      return block.columns.flat().flatMap(({ blocks }) => blocksMarkdown(blocks));
    default:
      return block satisfies never;
  }
}

function headline(result: Result): string[] {
  const { verdict, scenario, title, exitCode } = result;
  return [
    `# ${verdictMark(verdict)} ${verdict.toUpperCase()}: ${plain(result.sentence)}`,
    `${code(scenario)} ${plain(title)} (${formatExitCode(exitCode)})`,
  ];
}

function armLine(named: NamedArm, failed: readonly string[]): string {
  const { name, arm } = named;
  return `- **${name}** (${code(arm.design)}) ${verdictMark(arm.verdict)} ${formatExpectation(named, failed)}. ${plain(toSentence(arm.reason))} ${plain(arm.description)}`;
}

function pairs({ style, pairs: rows }: Pairs): string[] {
  const texts = rows.map(([label, content]) => [inline(label), inline(content)] as const);
  if (style === 'words') return [texts.map(([word, text]) => `- **${word}**: ${text}`).join('\n')];
  if (style === 'lede') return texts.map(([label, text]) => `**${label}.** ${text}`);
  return [table(['', ''], texts, 2)];
}

function list({ isOrdered, items }: List): string {
  const mark = (index: number) => (isOrdered ? `${index + 1}.` : '-');
  return items.map(([content], index) => `${mark(index)} ${inline(content)}`).join('\n');
}

/** Columns from the first figure on are right-aligned. Titles after the first are in lower case. */
function tableMarkdown(block: Table | Matrix): string {
  const { columns, rows } = selectTable('markdown', block);
  const isFigure = ({ isNumeric, isShare, arm }: Column) => isNumeric || isShare || arm;
  const first = columns.findIndex(isFigure);
  const titles = columns.map(({ title }, index) => {
    const text = inline(title);
    const isWord = index > 0 && typeof title === 'string' && /^[A-Z][a-z]/.test(title);
    return isWord ? text[0]!.toLowerCase() + text.slice(1) : text;
  });
  const cells = rows.map((row) => row.cells.map((cell) => inline(cell).trim()));
  return table(titles, cells, first < 0 ? columns.length : first);
}

function inline(content: Inline): string {
  return writeInline(content, 'markdown', writer);
}

const writer: InlineWriter = {
  // oneLine trims; the spaces to adjacent text are kept.
  text: (text) => `${/^\s/.test(text) ? ' ' : ''}${plain(text)}${/\S\s+$/.test(text) ? ' ' : ''}`,
  judged: ({ mark }) => mark,
  proportion: ({ text }) => text,
  styled: ({ style, content }, inner) => {
    if (style === 'break') return ' ';
    if (style === 'code' || style === 'statement') return code(String(content));
    if (style === 'strong' || style === 'alarm') return `**${inner}**`;
    if (style === 'tag') return ` **${inner}**`;
    if (style === 'aside') return ` (${inner})`;
    return ['under', 'note', 'optional', 'small'].includes(style) ? ` ${inner}` : inner;
  },
};
