/**
 * The report for a design review or a pull request: the order of the page, tables instead of charts, nothing
 * to fetch. Far below GitHub's 1,024 KiB for a step summary.
 */
import type { Result } from '../sim/result.ts';
import { blocksFor, sectionsFor, tableFor } from './block-selection.ts';
import type { Block, Blocks, Column, List, Matrix, Pairs, Table } from './blocks.ts';
import { sentence } from './format.ts';
import { type Inline, type InlineWriter, writeInline } from './inline.ts';
import { code, codeBlock, plain, table } from './markdown-text.ts';
import type { NamedArm } from './rows.ts';
import { sections } from './sections.ts';
import { exitText, expectationText, verdictMark } from './wording.ts';

export function renderMarkdown(result: Result, renderers = sections): string {
  const { head, body } = sectionsFor('markdown', result, renderers);
  const parts = [
    ...head.flatMap(({ blocks }) => blocksMarkdown(blocks)),
    ...body.flatMap(({ title, blocks }) => [`## ${inline(title)}`, ...blocksMarkdown(blocks)]),
  ];
  return `${parts.join('\n\n')}\n`;
}

function blocksMarkdown(blocks: Blocks): string[] {
  return blocksFor('markdown', blocks).flatMap(blockMarkdown);
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
      return [block.arms.map(armLine).join('\n')];
    case 'pairs':
      return pairs(block);
    case 'list':
      return [list(block)];
    case 'table':
    case 'matrix':
      return [tableMarkdown(block)];
    case 'figure':
      return block.beside === undefined ? [] : [tableMarkdown(block.beside.block)];
    case 'figures':
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
    `${code(scenario)} ${plain(title)} (${exitText(exitCode)})`,
  ];
}

function armLine({ name, arm }: NamedArm): string {
  return `- **${name}** (${code(arm.design)}) ${verdictMark(arm.verdict)} ${expectationText(arm)}. ${plain(sentence(arm.reason))} ${plain(arm.description)}`;
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

/**
 * Figures stand to the right, and so does all that follows the first of them. Titles after the first are in
 * lower case, unless the section gives them words of their own.
 */
function tableMarkdown(block: Table | Matrix): string {
  const { columns, rows } = tableFor('markdown', block);
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
  // Among other text, the spaces at its ends count.
  text: (text) => `${/^\s/.test(text) ? ' ' : ''}${plain(text)}${/\S\s+$/.test(text) ? ' ' : ''}`,
  judged: ({ mark }) => mark,
  share: ({ text }) => text,
  styled: ({ style, content }, inner) => {
    if (style === 'break') return ' ';
    if (style === 'code' || style === 'statement') return code(String(content));
    if (style === 'strong' || style === 'alarm') return `**${inner}**`;
    if (style === 'tag') return ` **${inner}**`;
    if (style === 'aside') return ` (${inner})`;
    return ['under', 'note', 'optional', 'small'].includes(style) ? ` ${inner}` : inner;
  },
};
