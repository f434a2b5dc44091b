import { describe, expect, it } from 'vitest';
import { renderBar, renderSparkline } from './sparkline.ts';

describe('sparkline', () => {
  it.each([
    // Eighths of the largest value, rounded up: 1/8 is the lowest block, 8/8 the full one.
    [[1, 2, 3, 4, 5, 6, 7, 8], '▁▂▃▄▅▆▇█'],
    [[8, 8, 8], '███     '],
    [[0, 0], '▁▁      '],
    [[], '        '],
    [[8, null, 4], '█ ▄     '],
    [[9, 9, 9, 9, 9, 9, 9, 9, 9, 1], '███████▁'],
  ])('draws %j', (values, drawn) => expect(renderSparkline(values, 8)).toBe(drawn));
});

describe('bar', () => {
  it.each([
    [0, 0],
    [0.5, 5],
    [1, 10],
    [1.8, 10],
    [-1, 0],
    [Number.NaN, 0],
  ])('fills %s of ten cells with %s', (share, cells) => {
    const { full, rest } = renderBar(share, 10);
    expect([full.length, rest.length]).toEqual([cells, 10 - cells]);
  });
});
