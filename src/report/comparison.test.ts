/** The comparison in every format: there when the result has one, and nothing of it otherwise. */
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import type { Comparison, Result } from '../sim/result.ts';
import { comparisonChart } from './charts/comparison.ts';
import { renderConsole } from './console.ts';
import { comparedResult } from './fixtures/limiter-comparison.ts';
import { turn1Result } from './fixtures/turn1-result.ts';
import { renderHtml } from './html/page.ts';
import { renderMarkdown } from './markdown.ts';

const comparison = comparedResult.comparison!;
const withRows = (rows: Comparison['rows']): Result => ({
  ...comparedResult,
  comparison: { ...comparison, rows },
});
const console80 = (result: Result, width = 100) =>
  renderConsole(result, { colorText: null, width, folder: 'reports/turn2/x' });

describe('a comparison', () => {
  it('is a section of the page: a chart, a table, a line at the limit', () => {
    const page = renderHtml(comparedResult);
    const section = /<section id="comparison"[\s\S]*?<\/section>/.exec(page)![0];
    expect(section).toContain('Limiters on the same trace');
    expect(section.match(/<svg [^>]*role="img"/g)).toHaveLength(2);
    expect(section).toContain('limit: 1 times');
    expect(section).toMatch(/<b class="after-ink">ours \(exact log\)<\/b>/);
    expect(section.match(/<tr>/g)).toHaveLength(7);
    expect(section).not.toMatch(/NaN|undefined|#0a0b/);
    expect(page.indexOf('id="invariants"')).toBeLessThan(page.indexOf('id="comparison"'));
  });

  it('describes the chart for a reader who cannot see it', () => {
    const { markup } = comparisonChart(comparison)!;
    expect(markup).toMatch(
      /<desc [^>]*>fixed window 2 times, .*ours \(exact log\) 1 times<\/desc>/,
    );
  });

  it('is a table in Markdown, with a dash for a missing value', () => {
    const text = renderMarkdown(comparedResult);
    expect(text).toContain('## Limiters on the same trace');
    expect(text).toContain('| **ours (exact log)** | 1 times | 0 | 4 | 10 µs | 856 B |');
    expect(text).toContain('| rate-limiter-flexible | 1.99 times | 0 | 4 | 5 µs | - |');
  });

  it('is two lines on the console, ours first', () => {
    const lines = console80(comparedResult).split('\n');
    const at = lines.findIndex((line) => line.trimStart().startsWith('compared'));
    expect(lines[at]).toContain('most in one window: ours (exact log) 1 times');
    expect(lines[at + 1]).toContain('fixed window 2 times, token bucket 1.99 times');
    for (const width of [20, 40, 80])
      for (const line of console80(comparedResult, width).split('\n'))
        expect(line.length).toBeLessThanOrEqual(width);
  });

  it('is omitted from a result without one', () => {
    expect(renderHtml(turn1Result)).not.toContain('id="comparison"');
    expect(renderMarkdown(turn1Result)).not.toContain('same trace');
    expect(console80(turn1Result)).not.toContain('compared');
    expect(renderHtml(withRows([]))).not.toContain('id="comparison"');
  });

  it('lets no name through as markup', () => {
    const hostile = withRows([{ name: '<script>a|b</script>', ours: true, values: { worst: 1 } }]);
    expect(renderHtml(hostile)).not.toMatch(/<script/);
    expect(renderMarkdown(hostile)).toContain('&lt;script&gt;a\\|b');
  });

  it('is in the schema of results', () => {
    const schema = JSON.parse(
      readFileSync(new URL('../sim/result.schema.json', import.meta.url), 'utf8'),
    );
    const valid = new Ajv({ strict: false }).compile(schema);
    expect(valid(JSON.parse(JSON.stringify(comparedResult)))).toBe(true);
    expect(valid({ ...comparedResult, comparison: { ...comparison, rows: 1 } })).toBe(false);
  });
});
