import { describe, expect, it } from 'vitest';
import {
  abortedResult,
  brokenResult,
  emptyResult,
  hostileResult,
} from './fixtures/edge-results.ts';
import { turn1Result } from './fixtures/turn1-result.ts';
import { turn4Result } from './fixtures/turn4-result.ts';
import { renderMarkdown } from './markdown.ts';
import { code, codeBlock, plain } from './markdown-text.ts';

describe('renderMarkdown', () => {
  it('begins with the verdict and stays far below the limit of a step summary', () => {
    const text = renderMarkdown(turn4Result);
    expect(text.startsWith('# ✓ PASS: The incident is reproduced')).toBe(true);
    expect(Buffer.byteLength(text)).toBeLessThan(30_000);
  });

  it('has tables whose rows all have the columns of their header', () => {
    for (const result of [turn1Result, turn4Result, brokenResult, emptyResult, hostileResult]) {
      for (const block of renderMarkdown(result).split('\n\n')) {
        const lines = block.split('\n').filter((line) => line.startsWith('| '));
        const columns = lines.map((line) => line.split(/(?<!\\)\|/).length);
        expect(new Set(columns).size, lines[0] ?? '').toBeLessThanOrEqual(1);
      }
    }
  });

  it('says that a run is partial, and leaves out sections without data', () => {
    const text = renderMarkdown(abortedResult);
    expect(text).toContain('**Aborted.**');
    expect(text).toContain('**Quick run.** A quarter');
    expect(text.match(/^## .*/gm)).toEqual(['## Reproduce']);
  });

  it('shows witnesses and what is not as expected', () => {
    const text = renderMarkdown(brokenResult);
    expect(text).toContain('"requestId":"r-000412"');
    expect(text).toContain('`after.invariant.audit-once`');
    expect(text).toContain('back in tolerance after 3.4 s, drained after 900 ms');
  });

  it('shows phases, faults and cost of a drill for each arm', () => {
    const text = renderMarkdown(turn1Result);
    expect(text.match(/^## .*/gm)).toEqual(
      [
        'Service level objectives',
        'Invariants',
        'Cost per operation',
        'Latency',
        'Phases',
        'Faults and recovery',
        'Errors by cause',
        'Resources',
        'Validity',
        'Reproduce',
      ].map((title) => `## ${title}`),
    );
    expect(text).toContain('| 7 postgres-kill | before | 3.4 ms | 1.2 s | 9.4 % | 2.120 | 6,258 |');
    expect(text).toContain(
      '| SQL statements | 2.04 | 0.004 (&lt; 0.01 times) | 0.013 (0.01 times) |',
    );
    expect(text).toContain('| Longest revocation lag | 0 s | 41.2 s | 0 s |');
    expect(text).toContain('never back in tolerance, never drained');
    expect(text).toContain('against baseline');
  });

  it('lets no markup through outside code', () => {
    const text = renderMarkdown(hostileResult);
    const withoutCode = text
      .replace(/^(`{3,}).*\n[\s\S]*?^\1$/gm, '')
      .replace(/(`+)[^`][\s\S]*?\1/g, '');
    expect(withoutCode).not.toMatch(/<(?:script|img)/);
    expect(withoutCode).not.toContain('https://');
    expect([...text].every((char) => char >= ' ' || char === '\n' || char === '\t')).toBe(true);
  });

  it('matches the golden file', async () => {
    await expect(renderMarkdown(turn4Result)).toMatchFileSnapshot('golden/turn4.report.md.golden');
  });
});

describe('Markdown text', () => {
  it.each([
    [plain('a|b *c* <d>'), 'a\\|b \\*c\\* &lt;d&gt;'],
    [plain('two\nlines'), 'two lines'],
    [code('a `b` c'), '``a `b` c``'],
    [code('`a`'), '`` `a` ``'],
    [code('a|b'), '`a\\|b`'],
    [code(''), ''],
    [codeBlock('```\nx'), '````text\n```\nx\n````'],
  ])('%s', (text, expected) => {
    expect(text).toBe(expected);
  });
});
