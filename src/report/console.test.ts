import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderConsole } from './console.ts';
import {
  abortedResult,
  brokenResult,
  emptyResult,
  hostileResult,
} from './fixtures/edge-results.ts';
import { turn1Result } from './fixtures/turn1-result.ts';
import { turn4Result } from './fixtures/turn4-result.ts';
import { displayWidth, truncate, wrap } from './terminal-text.ts';

const inRed = (text: string) => `\u001b[31m${text}\u001b[39m`;
const plain = { colorText: null, width: 100, folder: 'reports/turn4/20260504-091233-4f1c' };
const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');

describe('renderConsole', () => {
  const all = { turn1Result, turn4Result, abortedResult, emptyResult, brokenResult, hostileResult };

  it.each(Object.entries(all))('never passes the width: %s', (_name, result) => {
    for (const width of [20, 40, 72, 80, 100, 200]) {
      for (const colorText of [null, inRed]) {
        const text = renderConsole(result, { ...plain, width, colorText });
        for (const line of text.replace(ESCAPES, '').split('\n')) {
          expect(displayWidth(line), line).toBeLessThanOrEqual(width);
        }
      }
    }
  });

  it('shows every value of a table beside a label that is wider than the screen', () => {
    const label =
      'reads beside a cached page of another user, each of which a shared key would show';
    const long = structuredClone(turn1Result);
    const figures = Object.values(long.arms).flatMap(({ invariants }) =>
      invariants.flatMap((one) => one.figures ?? []),
    );
    for (const figure of figures.filter(({ id }) => id === 'sessions-lost'))
      Object.assign(figure, { label, value: 1_234_567 });
    const lines = renderConsole(long, { ...plain, width: 80 }).split('\n');
    const first = lines.findIndex((line) => line.includes('reads beside a cached page'));
    expect(lines[first]).toMatch(/1,234,567 +1,234,567 +1,234,567$/);
    expect(lines[first + 1]).toMatch(/^ {4}.*show$/);
    expect(lines.slice(first).join('\n')).not.toMatch(/ …$/m);
  });

  it.each(Object.entries(all))('writes no escape code without colour: %s', (_name, result) => {
    const text = renderConsole(result, plain);
    expect([...text].every((char) => char >= ' ' || char === '\n')).toBe(true);
    expect(text.split('\n').every((line) => line === line.trimEnd())).toBe(true);
  });

  it('prints the same text with colour as without', () => {
    const painted = renderConsole(turn4Result, { ...plain, colorText: inRed });
    expect(painted).not.toBe(painted.replace(ESCAPES, ''));
    const trimmed = painted
      .replace(ESCAPES, '')
      .split('\n')
      .map((line) => line.trimEnd());
    expect(trimmed.join('\n')).toBe(renderConsole(turn4Result, plain));
  });

  it('fits one screen and ends with the report and the command', () => {
    const lines = renderConsole(turn4Result, plain).trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(30);
    expect(lines.at(-2)).toContain('reports/turn4/20260504-091233-4f1c/report.html');
    expect(lines.at(-1)).toContain('npx platform sim turn4 --seed 42');
  });

  it('names what failed', () => {
    const text = renderConsole(brokenResult, plain).replace(/\s+/g, ' ');
    expect(text).toContain('✗ not as expected: after.slo.p99, after.invariant.audit-once');
    expect(text).toContain('2 violations in 3,180 checked');
    expect(text).toContain('failed, but was expected to pass');
  });

  it('does not call a failure expected that is also listed as unexpected', () => {
    const result = { ...turn4Result, failed: ['before.invariant.audit-once'] };
    const text = renderConsole(result, plain).replace(/\s+/g, ' ');
    expect(text).toContain('failed, but not as expected');
    expect(text).not.toContain('fail, as expected');
  });

  it('compares the figures of the checkers, and shows a recovery that never came', () => {
    const text = renderConsole(turn1Result, plain);
    expect(text).toMatch(/^ {2}accepted after an acknowledged logout +0 +2,912 +0$/m);
    expect(text).toMatch(/sample 4 of 4 healed, never back in tolerance after redis-kill$/m);
    expect(text).toMatch(/^ {2}latency\.p99 < 500ms .* check in redis-partition$/m);
  });

  it('cuts the scope of an SLO, not a number, on a narrow terminal', () => {
    const line = renderConsole(turn1Result, { ...plain, width: 72 }).match(/^.*<= 1\.2x.*$/m)![0];
    expect(line).toContain('✓ 1.08 times');
  });

  it('matches the golden file of an incident', async () => {
    await expect(renderConsole(turn4Result, plain)).toMatchFileSnapshot('golden/turn4.console.txt');
  });

  it('matches the golden file of a drill', async () => {
    const text = renderConsole(turn1Result, {
      ...plain,
      folder: 'reports/turn1/20260511-140210-9b3e',
    });
    await expect(text).toMatchFileSnapshot('golden/turn1.console.txt');
  });
});

describe('terminal text', () => {
  it('never cuts or wraps past the width, and wrapping loses nothing', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 4, max: 60 }),
        (text, width) => {
          expect(displayWidth(truncate(text, width))).toBeLessThanOrEqual(width);
          const lines = wrap(text, width);
          expect(lines.every((line) => displayWidth(line) <= width)).toBe(true);
        },
      ),
    );
    fc.assert(
      fc.property(fc.lorem(), fc.integer({ min: 4, max: 60 }), (text, width) => {
        expect(wrap(text, width).join('').replace(/ /g, '')).toBe(text.replace(/ /g, ''));
      }),
    );
  });
});
