import { describe, expect, it } from 'vitest';
import {
  abortedResult,
  brokenResult,
  emptyResult,
  hostileResult,
} from './fixtures/edge-results.ts';
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
    for (const result of [turn4Result, brokenResult, emptyResult, hostileResult]) {
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

  it('shows witnesses and what failed against expectation', () => {
    const text = renderMarkdown(brokenResult);
    expect(text).toContain('"requestId":"r-000412"');
    expect(text).toContain('`after.invariant.audit-once`');
    expect(text).toContain('recovered after 3.4 s');
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
