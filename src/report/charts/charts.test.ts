import { describe, expect, it } from 'vitest';
import { turn4Result } from '../fixtures/turn4-result.ts';
import { namedArms } from '../rows.ts';
import { latencyScale, linearScale, timeScale } from './axes.ts';
import { heatLegend, heatLevels, heatScale } from './heat-map.ts';
import { color, resolveColors } from './palette.ts';
import { sloSteps, staircase } from './spectrum.ts';
import { drawSvg } from './svg.ts';

const plain = (tick: number) => String(tick);

describe('axes', () => {
  it.each([
    [0, [0, 5e-7]],
    [1, [0, 0.25, 0.5, 0.75, 1]],
    [15, [0, 5, 10, 15]],
    [104, [0, 50, 100, 150]],
    [3_900, [0, 1_000, 2_000, 3_000, 4_000]],
  ])('rates start at zero and cover %s in round steps', (largest, ticks) => {
    const scale = linearScale(largest, plain);
    expect(scale.min).toBe(0);
    expect(scale.max).toBeGreaterThanOrEqual(largest);
    if (largest > 0) expect(scale.ticks).toEqual(ticks);
  });

  it.each([
    [
      [2_100, 5_010_000],
      ['1 ms', '10 ms', '100 ms', '1 s', '10 s'],
    ],
    [
      [1_000, 10_000],
      ['1 ms', '10 ms'],
    ],
    [[500], ['100 µs', '1 ms']],
    [[], ['1 ms', '10 ms', '100 ms', '1 s']],
  ])('latency spans whole decades of %s', (values, labels) => {
    const scale = latencyScale(values);
    expect(scale.ticks.map(scale.label)).toEqual(labels);
  });

  it('has no more time ticks than fit', () => {
    for (const [end, width] of [
      [75, 470],
      [84, 290],
      [3_600, 290],
      [0, 100],
      [100_000, 300],
    ] as const) {
      expect(timeScale(end, width).ticks.length).toBeLessThanOrEqual(width / 50 + 4);
    }
  });
});

describe('the steps of SLOs', () => {
  const slo = (objective: string, limit: number) => ({
    id: objective,
    objective,
    limit,
    measured: 1,
    unit: 'us' as const,
    samples: 1,
    verdict: 'pass' as const,
  });

  it('takes percentiles only, in order', () => {
    const slos = ['latency.p999 < 1s', 'latency.mean < 1s', 'latency.p50 < 1s', 'latency.max < 1s'];
    expect(sloSteps(slos.map((text) => slo(text, 1_000_000))).map((step) => step.quantile)).toEqual(
      [0.5, 0.999],
    );
  });

  it('climbs at each percentile and ends at the last', () => {
    const steps = sloSteps([
      slo('latency.p90 < 100ms', 100_000),
      slo('latency.p99 < 1s', 1_000_000),
    ]);
    expect(staircase(steps, 7).map(([x, y]) => [Number(x.toFixed(6)), y])).toEqual([
      [0, 5],
      [1, 5],
      [1, 6],
      [2, 6],
      [2, 7],
    ]);
  });

  it('is never loosened by a wider limit inside a narrower one', () => {
    const steps = sloSteps([slo('latency.p50 < 1s', 1_000_000), slo('latency.p99 < 10ms', 10_000)]);
    expect(staircase(steps, 7)[0]).toEqual([0, 4]);
  });
});

describe('heat levels', () => {
  it.each([
    [1, [1]],
    [3, [1, 2]],
    [5, [1, 2, 4, 5]],
    [732, [1, 2, 4, 15, 55, 200]],
  ])('of at most %s operations in a cell', (largest, levels) => {
    expect(heatLevels(largest)).toEqual(levels);
  });

  it('have a legend text for every colour in use', () => {
    const scale = heatScale(namedArms(turn4Result))!;
    expect(heatLegend(scale)).toHaveLength(scale.levels.length);
    expect(heatLegend(scale)[0]).toBe('1');
    expect(heatLegend(scale).at(-1)).toMatch(/ to \d+$/);
  });
});

describe('drawings', () => {
  const drawing = {
    width: 100,
    height: 50,
    option: {
      title: [{ text: '</svg><script>&"', textStyle: { color: color('ink') } }],
      xAxis: {},
      yAxis: {},
      series: [
        {
          type: 'line',
          data: [
            [0, 0],
            [1, 1],
          ],
          lineStyle: { color: color('after') },
        },
      ],
    },
  };

  it('are the same bytes however many were drawn before', () => {
    const text = { id: 'one', title: 'a < b', description: '"quoted"' };
    const first = drawSvg(text, drawing);
    drawSvg({ ...text, id: 'two' }, drawing);
    expect(drawSvg(text, drawing)).toBe(first);
    expect(first).toContain('<title id="one-title">a &lt; b</title>');
    expect(first).toContain('stroke="var(--after,#1b66b5)"');
    expect(first).not.toContain('<script');
    expect(first).not.toMatch(/zr\d|ecmeta|<style|xmlns/);
  });

  it('leave unknown colours alone', () => {
    expect(resolveColors('fill="#0a0bff" fill="#123456"')).toBe('fill="#0a0bff" fill="#123456"');
    expect(resolveColors(`fill="${color('idle')}"`)).toBe('fill="url(#hatch)"');
  });
});
