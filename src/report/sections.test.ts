/** A section is written once: what is planted here is seen in html, markdown and on the console. */
import { describe, expect, it } from 'vitest';
import type { Block, ConsolePlace, Run, Section, SectionSpec } from './blocks.ts';
import { renderConsole } from './console.ts';
import { manyNodesResult, NODES } from './fixtures/many-nodes.ts';
import { turn4Result } from './fixtures/turn4-result.ts';
import { renderHtml } from './html/page.ts';
import { byMedium, code, judged, strong, styled } from './inline.ts';
import { renderMarkdown } from './markdown.ts';
import { sections } from './sections.ts';

const options = { color: false, width: 200, folder: 'reports/x' };

function render(planted: SectionSpec, result = turn4Result) {
  const all = [...sections, planted];
  return {
    html: renderHtml(result, all),
    markdown: renderMarkdown(result, all),
    console: renderConsole(result, options, all),
  };
}

function plant(
  blocks: (run: Run) => readonly Block[],
  place: ConsolePlace = 'tables',
): SectionSpec {
  return {
    id: 'planted',
    render: (run): Section => ({
      title: 'Webhook deliveries',
      blocks: blocks(run),
      console: { [place]: blocks(run) },
    }),
  };
}

/** One of each kind; the words that every format must show begin with `see-`. */
function everyKind({ arms }: Run): Block[] {
  const table = {
    kind: 'table',
    label: 'Deliveries',
    columns: [{ title: 'see-title' }, { title: 'count', isNumeric: true }],
    rows: [{ cells: [strong('see-strong'), code('see-code')] }],
  } as const;
  return [
    {
      kind: 'headline',
      verdict: 'fail',
      sentence: 'see-sentence',
      scenario: 'see-scenario',
      title: 'x',
      exit: 'see-exit',
      run: 'x',
      marks: [],
    },
    { kind: 'paragraph', content: ['see-paragraph', styled('aside', 'see-aside')] },
    { kind: 'lead', text: 'see-lead', note: 'see-note' },
    { kind: 'arms', arms },
    { kind: 'pairs', pairs: [{ label: 'see-label', content: 'see-content' }, null] },
    { kind: 'list', items: [{ content: 'see-item', tone: 'doubt' }] },
    table,
    {
      kind: 'matrix',
      label: 'Endpoints',
      title: 'Endpoint',
      arms,
      fields: [{ title: 'Outcome' }],
      items: [
        {
          head: 'see-head',
          cells: [{ shown: [judged('pass'), ' see-cell'], fields: ['see-cell'] }, null],
        },
      ],
    },
    { kind: 'figure', legend: [], chart: () => null, beside: { block: table, isBelow: true } },
    {
      kind: 'figures',
      legend: [],
      charts: arms.map((arm) => ({ arm, chart: () => null, caption: 'see-figures' })),
      instead: [{ kind: 'paragraph', content: 'see-figures' }],
    },
    { kind: 'details', summary: 'see-summary', body: { kind: 'code', text: 'see-plan' } },
    { kind: 'code', text: 'see-code-block' },
    {
      kind: 'columns',
      columns: [[{ heading: 'x', blocks: [{ kind: 'paragraph', content: 'see-column' }] }]],
    },
  ];
}

describe('a planted section', () => {
  const seen = [
    ...new Set(JSON.stringify(everyKind({ result: turn4Result, arms: [] })).match(/see-[\w-]+/g)),
  ];

  it.each(Object.entries(render(plant(everyKind))))('shows every kind of block: %s', (_, text) => {
    for (const word of seen) expect(text).toContain(word);
    expect(text).toContain('expected to pass: it did');
    expect(text).not.toMatch(/undefined|\[object|NaN/);
  });

  it('has its place in the page and in the list of its sections', () => {
    const { html, markdown } = render(plant(everyKind));
    expect(html).toContain('<a href="#planted">Webhook deliveries</a>');
    expect(html).toMatch(/<section id="planted" [^>]*><h2 id="planted-h">Webhook deliveries</);
    expect(markdown).toMatch(/^## Webhook deliveries$/m);
  });

  it.each(['verdict', 'tables', 'facts', 'asides', 'problems', 'ending'] as const)(
    'may stand in any part of the verdict block: %s',
    (place) => {
      const { console } = render(plant(() => [{ kind: 'code', text: 'see-me' }], place));
      expect(console).toMatch(/^ {2}see-me$/m);
    },
  );

  it('is nowhere when it gives null, and only where its blocks are for', () => {
    for (const text of Object.values(render({ id: 'planted', render: () => null })))
      expect(text).not.toMatch(/planted/);
    const page = plant(() => [{ kind: 'paragraph', content: 'see-me', media: ['html'] }]);
    const { html, markdown, console } = render(page);
    expect(html).toContain('see-me');
    expect(markdown).not.toMatch(/see-me|Webhook deliveries/);
    expect(console).not.toContain('see-me');
  });

  it('may choose other words for each medium', () => {
    const content = byMedium({ html: 'on-the-page', console: 'in-a-terminal' });
    const { html, markdown, console } = render(plant(() => [{ kind: 'paragraph', content }]));
    expect([html, markdown].every((text) => text.includes('on-the-page'))).toBe(true);
    expect(html + markdown).not.toContain('in-a-terminal');
    expect(console).toContain('in-a-terminal');
  });

  it('cannot be markup, whatever its text', () => {
    const hostile = '<script>alert(1)</script> | [x](https://evil.example) `';
    const blocks: Block[] = [
      { kind: 'paragraph', content: hostile },
      { kind: 'code', text: hostile },
      {
        kind: 'table',
        label: hostile,
        columns: [{ title: hostile }],
        rows: [{ cells: [hostile] }],
      },
    ];
    const { html, markdown } = render(plant(() => blocks));
    expect(html).not.toContain('<script');
    expect(markdown.replace(/^(`{3,}).*\n[\s\S]*?^\1$/gm, '')).not.toMatch(/<script|https:\/\//);
  });

  it('draws no chart for a format without charts', () => {
    const chart = () => {
      throw new Error('drawn');
    };
    const planted = plant(() => [{ kind: 'figure', legend: [], chart }]);
    const all = [...sections, planted];
    expect(() => renderMarkdown(turn4Result, all)).not.toThrow();
    expect(() => renderConsole(turn4Result, options, all)).not.toThrow();
    expect(() => renderHtml(turn4Result, all)).toThrow('drawn');
  });
});

describe('fifteen nodes', () => {
  const html = renderHtml(manyNodesResult);
  const section = /<section id="resources"[\s\S]*?<\/section>/.exec(html)![0];

  it('are one row each in the page, and tell themselves apart in the chart', () => {
    expect(section.match(/<th scope="row">/g)).toHaveLength(NODES.length);
    for (const name of NODES) expect(section).toContain(`<th scope="row">${name}</th>`);
    const keys = section.match(/<span class="key[^>]*>/g)!;
    expect(new Set(keys).size).toBe(NODES.length);
  });

  it('are one row for each arm in Markdown', () => {
    const text = renderMarkdown(manyNodesResult);
    for (const name of NODES) expect(text.split(`| ${name} |`)).toHaveLength(1 + 2);
  });

  it('name the busiest at the top', () => {
    expect(html).toContain(`<dt>CPU of ${NODES.at(-1)}</dt>`);
  });
});

describe('the registry', () => {
  it('names every section once', () => {
    const ids = sections.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
