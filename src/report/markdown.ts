/**
 * The report for a design review or a pull request: the order of the page, tables instead of charts, nothing
 * to fetch. Far below GitHub's 1,024 KiB for a step summary.
 */
import type { Result } from '../sim/result.ts';
import type {
  Arms,
  Block,
  Column,
  Headline,
  Lead,
  List,
  Matrix,
  Pair,
  Pairs,
  Paragraph,
  SectionSpec,
  Table,
} from './blocks.ts';
import { sentence } from './format.ts';
import type { Inline } from './inline.ts';
import { code, codeBlock, plain, table } from './markdown-text.ts';
import { renderSections } from './render-sections.ts';
import { sections as allSections } from './sections.ts';
import { blocksFor, tableFor } from './table-layout.ts';
import { expectationText, verdictMark } from './wording.ts';

export function renderMarkdown(
  result: Result,
  sections: readonly SectionSpec[] = allSections,
): string {
  const { head, body } = renderSections('markdown', result, sections);
  const parts = [
    ...head.flatMap(({ blocks }) => blocksMarkdown(blocks)),
    ...body.flatMap(({ title, blocks }) => [`## ${inline(title)}`, ...blocksMarkdown(blocks)]),
  ];
  return `${parts.join('\n\n')}\n`;
}

function blocksMarkdown(blocks: readonly (Block | null | false)[]): string[] {
  return blocksFor('markdown', blocks).flatMap(blockMarkdown);
}

/** Paragraphs of Markdown. */
function blockMarkdown(block: Block): string[] {
  switch (block.kind) {
    case 'headline':
      return headline(block);
    case 'paragraph':
      return [paragraph(block)];
    case 'lead':
      return [lead(block)];
    case 'arms':
      return [armList(block)];
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

function headline({ verdict, sentence: said, scenario, title, exit }: Headline): string[] {
  return [
    `# ${verdictMark(verdict)} ${verdict.toUpperCase()}: ${plain(said)}`,
    `${code(scenario)} ${plain(title)} (${plain(exit)})`,
  ];
}

function paragraph({ style, content }: Paragraph): string {
  const text = inline(content).trim();
  return style === 'banner' || style === 'alert' ? `> ${text}` : text;
}

function lead({ arm, text, note }: Lead): string {
  const said = arm === undefined ? `**${plain(text)}.**` : `**${arm}: ${plain(text)}**`;
  return note === undefined ? said : `${said} ${plain(note)}`;
}

function armList({ arms }: Arms): string {
  const lines = arms.map(
    ({ name, arm }) =>
      `- **${name}** (${code(arm.design)}) ${verdictMark(arm.verdict)} ${expectationText(arm)}. ${plain(sentence(arm.reason))} ${plain(arm.description)}`,
  );
  return lines.join('\n');
}

function pairs({ style, pairs: all }: Pairs): string[] {
  const given = all
    .filter((pair): pair is Pair => !!pair)
    .map(({ label, content }) => [inline(label), inline(content)] as const);
  switch (style) {
    case 'words':
      return [given.map(([label, content]) => `- **${label}**: ${content}`).join('\n')];
    case 'lede':
      return given.map(([label, content]) => `**${label}.** ${content}`);
    default:
      return [table(['', ''], given, 2)];
  }
}

function list({ isOrdered = false, items }: List): string {
  return items
    .map(({ content }, index) => `${isOrdered ? `${index + 1}.` : '-'} ${inline(content)}`)
    .join('\n');
}

/**
 * Figures stand to the right, and so does all that follows the first of them. Titles after the first are in
 * lower case, unless the section gives them words of their own.
 */
function tableMarkdown(block: Table | Matrix): string {
  const { columns, rows } = tableFor('markdown', block);
  const isFigure = ({ isNumeric, isShare, arm }: Column) =>
    isNumeric === true || isShare === true || arm !== undefined;
  const first = columns.findIndex(isFigure);
  const titles = columns.map(({ title }, index) => {
    const text = inline(title);
    const isWord = index > 0 && typeof title === 'string' && /^[A-Z][a-z]/.test(title);
    return isWord ? text[0]!.toLowerCase() + text.slice(1) : text;
  });
  const cells = rows.map((row) => row.cells.map((cell) => inline(cell).trim()));
  return table(titles, cells, first < 0 ? columns.length : first);
}

/** Escaped text among other text: the spaces at its ends count. */
function fragment(text: string): string {
  const line = plain(text);
  if (line === '') return text === '' ? '' : ' ';
  return `${/^\s/.test(text) ? ' ' : ''}${line}${/\s$/.test(text) ? ' ' : ''}`;
}

function inline(content: Inline): string {
  if (content === null || content === false || content === undefined) return '';
  if (typeof content === 'string') return fragment(content);
  if ('html' in content) return inline(content.markdown);
  if ('verdict' in content) return content.mark;
  if ('share' in content) return content.text;
  if (!('style' in content)) return content.map(inline).join('');
  const { style, content: inner } = content;
  const text = inline(inner);
  switch (style) {
    case 'code':
    case 'statement':
      return typeof inner === 'string' ? code(inner) : text;
    case 'strong':
    case 'alarm':
      return text === '' ? '' : `**${text}**`;
    case 'tag':
      return ` **${text}**`;
    case 'aside':
      return ` (${text})`;
    case 'under':
    case 'note':
    case 'optional':
    case 'small':
      return ` ${text}`;
    case 'break':
    case 'arrow':
      return ' ';
    default:
      return text;
  }
}
