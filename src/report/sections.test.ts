/** A section is written once; html, markdown and the console all show it. */
import { describe, expect, it } from 'vitest';
import type { Result } from '../sim/result.ts';
import {
  type Block,
  type ConsoleBlock,
  type ConsolePlace,
  consolePlaces,
  details,
  list,
  numeric,
  onlyFor,
  pairs,
  paragraph,
  type RenderSection,
  type ReportInput,
  table,
} from './blocks.ts';
import { renderConsole } from './console.ts';
import { manyNodes, manyNodesResult } from './fixtures/many-nodes.ts';
import { turn4Result } from './fixtures/turn4-result.ts';
import { renderHtml } from './html/page.ts';
import { byMedium, judged, styled } from './inline.ts';
import { renderMarkdown } from './markdown.ts';
import { namedArms } from './rows.ts';
import { sections } from './sections.ts';

const options = { colorText: null, width: 200, folder: 'reports/x' };

function render(planted: RenderSection) {
  const all = [...sections, planted];
  return {
    html: renderHtml(turn4Result, all),
    markdown: renderMarkdown(turn4Result, all),
    console: renderConsole(turn4Result, options, all),
  };
}

/** For the page and Markdown everything, for the console what it takes. */
function plant(
  block: (run: ReportInput) => readonly Block[],
  place: ConsolePlace = 'tables',
  forConsole: readonly ConsoleBlock[] = [],
): RenderSection {
  return (run) => ({
    id: 'planted',
    title: 'Webhook deliveries',
    blocks: block(run),
    console: { [place]: forConsole },
  });
}

function plainKinds(result: Result): ConsoleBlock[] {
  return [
    { kind: 'headline', result: { ...result, sentence: 'see-sentence', scenario: 'see-scenario' } },
    paragraph(['see-paragraph', styled('aside', 'see-aside')]),
    pairs([['see-label', 'see-content']]),
    list([[styled('doubt', 'see-item')]]),
    table(
      'Deliveries',
      ['see-title', ...numeric('see-count')],
      [[styled('strong', 'see-strong'), styled('code', 'see-code')]],
    ),
  ];
}

function richKinds({ arms }: ReportInput): Block[] {
  const beside = { block: table('x', ['x'], [['see-beside']]), isBelow: true };
  const cell = { shown: [judged('pass'), ' see-cell'], fields: ['see-cell'] };
  const items = [{ head: 'see-head', cells: [cell, null] }];
  const charts = arms.map((arm) => ({ arm, chart: () => null, caption: 'see-caption' }));
  return [
    { kind: 'arms', arms, failed: [] },
    { kind: 'matrix', label: 'x', title: 'see-endpoint', arms, fields: [{ title: 'x' }], items },
    { kind: 'chart', legend: [], chart: () => null, beside },
    { kind: 'charts', legend: [], charts, instead: [paragraph('see-caption')] },
    details('see-summary', { kind: 'code', text: 'see-plan' }),
    { kind: 'code', text: 'see-code-block' },
    { kind: 'columns', columns: [[{ heading: 'x', blocks: [paragraph('see-column')] }]] },
  ];
}

describe('a planted section', () => {
  const wordsOf = (blocks: readonly Block[]) => [
    ...new Set(JSON.stringify(blocks).match(/see-[\w-]+/g)),
  ];
  const run = { result: turn4Result, arms: namedArms(turn4Result) };
  const plain = plainKinds(turn4Result);
  const texts = render(plant((given) => [...plain, ...richKinds(given)], 'tables', plain));

  it.each(Object.entries(texts))('shows every kind of block: %s', (name, text) => {
    const rich = name === 'console' ? [] : richKinds(run);
    for (const word of wordsOf([...plain, ...rich])) expect(text).toContain(word);
    expect(text).not.toMatch(/undefined|\[object|NaN/);
  });

  it('has its place in the page and in the list of its sections', () => {
    const { html, markdown } = texts;
    expect(html).toContain('<a href="#planted">Webhook deliveries</a>');
    expect(html).toMatch(/<section id="planted" [^>]*><h2 id="planted-h">Webhook deliveries</);
    expect(markdown).toMatch(/^## Webhook deliveries$/m);
  });

  it.each(consolePlaces)('may stand in any part of the verdict block: %s', (place) => {
    const { console } = render(plant(() => [], place, [paragraph('see-me')]));
    expect(console).toMatch(/^ {2}see-me$/m);
  });

  it('is omitted when it returns null, and shown only in the media of its blocks', () => {
    for (const text of Object.values(render(() => null)))
      expect(text).not.toMatch(/Webhook deliveries|"planted/);
    const { html, markdown, console } = render(
      plant(() => [onlyFor('html', paragraph('see-me'))], 'facts', [
        onlyFor('html', paragraph('see-me')),
      ]),
    );
    expect(html).toContain('see-me');
    expect(markdown).not.toMatch(/see-me|Webhook deliveries/);
    expect(console).not.toContain('see-me');
  });

  it('may choose other words for each medium', () => {
    const words = paragraph(byMedium('on-the-page', undefined, 'in-a-terminal'));
    const { html, markdown, console } = render(plant(() => [words], 'asides', [words]));
    expect([html, markdown].every((text) => text.includes('on-the-page'))).toBe(true);
    expect(html + markdown).not.toContain('in-a-terminal');
    expect(console).toContain('in-a-terminal');
  });

  it('is escaped as text', () => {
    const hostile = '<script>alert(1)</script> | [x](https://evil.example) `';
    const blocks: Block[] = [
      paragraph(hostile),
      { kind: 'code', text: hostile },
      table(hostile, [hostile], [[hostile]]),
    ];
    const { html, markdown } = render(plant(() => blocks));
    expect(html).not.toContain('<script');
    expect(markdown.replace(/^(`{3,}).*\n[\s\S]*?^\1$/gm, '')).not.toMatch(/<script|https:\/\//);
  });

  it('draws no chart for a format without charts', () => {
    const chart = () => {
      throw new Error('drawn');
    };
    const all = [...sections, plant(() => [{ kind: 'chart', legend: [], chart }])];
    expect(() => renderMarkdown(turn4Result, all)).not.toThrow();
    expect(() => renderConsole(turn4Result, options, all)).not.toThrow();
    expect(() => renderHtml(turn4Result, all)).toThrow('drawn');
  });
});

describe('fifteen nodes', () => {
  const html = renderHtml(manyNodesResult);
  const section = /<section id="resources"[\s\S]*?<\/section>/.exec(html)![0];

  it('are one row each in the page, and differ in the chart', () => {
    expect(section.match(/<th scope="row" align="left">/g)).toHaveLength(manyNodes.length);
    for (const name of manyNodes)
      expect(section).toContain(`<th scope="row" align="left">${name}</th>`);
    const keys = section.match(/<svg class="key[\s\S]*?<\/svg>/g)!;
    expect(new Set(keys).size).toBe(manyNodes.length);
  });

  it('are one row for each arm in Markdown', () => {
    const text = renderMarkdown(manyNodesResult);
    for (const name of manyNodes) expect(text.split(`| ${name} |`)).toHaveLength(1 + 2);
  });

  it('name the busiest at the top', () => {
    expect(html).toContain(`<dt>CPU of ${manyNodes.at(-1)}</dt>`);
  });
});

describe('the registry', () => {
  it('names every section once', () => {
    const run = { result: turn4Result, arms: namedArms(turn4Result) };
    const ids = sections.flatMap((section) => section(run)?.id ?? []);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
