/**
 * Percentile spectrum of every arm with the SLOs. x is 1 / (1 - quantile), y is response time, both on log axes; the
 * SLOs are steps that a curve must stay below. A curve is dotted where the samples are too few for the percentile.
 */

import { minimumSamplesOf } from '../../sim/pure/measure/minimum-samples.ts';
import type { SloResult } from '../../sim/result.ts';
import type { Markup } from '../html/markup.ts';
import { type NamedArm, objectiveQuantile } from '../rows.ts';
import { axis, grid, latencyScale, line, log10, type Scale } from './axes.ts';
import { armColor, color } from './palette.ts';
import { type ChartText, responsiveChart } from './svg.ts';

type Point = readonly [x: number, y: number];

/** One latency SLO that is a percentile: the curve must be below `limitUs` up to `quantile`. */
export interface SloStep {
  readonly objective: string;
  readonly quantile: number;
  readonly limitUs: number;
}

export function sloSteps(slos: readonly SloResult[]): SloStep[] {
  const steps = new Map<string, SloStep>();
  for (const { objective, limit, unit, scope } of slos) {
    const quantile = objectiveQuantile(objective);
    // The curve covers all judged phases, so a limit with a scope does not apply to it.
    if (quantile !== null && unit === 'us' && scope === undefined) {
      steps.set(objective, { objective, quantile, limitUs: limit });
    }
  }
  return [...steps.values()].sort((a, b) => a.quantile - b.quantile);
}

/** Corners of the steps in axis units; a wider limit at a lower quantile does not loosen a stricter one. */
export function staircase(steps: readonly SloStep[], top: number): Point[] {
  const corners: Point[] = [];
  let from = 0;
  for (const [index, step] of steps.entries()) {
    const limit = Math.min(...steps.slice(index).map((later) => later.limitUs));
    const to = quantileX(step.quantile);
    corners.push([from, log10(limit)], [to, log10(limit)]);
    from = to;
  }
  return steps.length === 0 ? [] : [...corners, [from, top]];
}

function quantileX(quantile: number): number {
  return -Math.log10(Math.max(1 - quantile, 1e-7));
}

export function spectrumChart(arms: readonly NamedArm[]): Markup | null {
  const drawn = arms.filter(({ arm }) => arm.spectrum.some((point) => point.valueUs > 0));
  if (drawn.length === 0) return null;
  const steps = sloSteps(arms.flatMap(({ arm }) => arm.slos));
  const text: ChartText = {
    id: 'spectrum',
    title: 'Percentile spectrum of response time',
    description: `Response time by percentile for ${drawn.map(({ name }) => name).join(' and ')}; SLO staircase: ${
      steps.map((step) => step.objective).join(', ') || 'none'
    }. The table beside it has the values.`,
  };
  return responsiveChart(text, 720, (width) => drawSpectrum(drawn, steps, width));
}

function drawSpectrum(arms: readonly NamedArm[], steps: readonly SloStep[], width: number) {
  const height = width > 500 ? 400 : 330;
  const curves = arms.map(({ name, arm }) => ({
    name,
    ...splitCurve(arm.spectrum, arm.latency.count),
  }));
  const values = arms.flatMap(({ arm }) => arm.spectrum.map((point) => point.valueUs));
  const y = latencyScale([...values, ...steps.map((step) => step.limitUs)]);
  const x = quantileScale(
    curves.flatMap(({ solid, dotted }) => [...solid, ...dotted].map((point) => point[0])),
  );
  const box = { left: 52, top: 14, width: width - 52 - 22, height: height - 14 - 44 };
  return {
    width,
    height,
    option: {
      grid: grid(box),
      xAxis: {
        ...axis('x', x, { lines: true }),
        name: 'percentile',
        nameLocation: 'middle',
        nameGap: 28,
        nameTextStyle: { color: color('muted') },
      },
      yAxis: axis('y', y),
      series: [
        ...staircaseSeries(steps, y, x),
        ...curves.flatMap(({ name, solid, dotted }) => [
          line(dotted, { stroke: armColor(name), width: 1.5, dash: [2, 3] }),
          line(solid, { stroke: armColor(name), width: 2.25 }),
        ]),
      ],
    },
  };
}

function splitCurve(
  spectrum: NamedArm['arm']['spectrum'],
  samples: number,
): { solid: Point[]; dotted: Point[] } {
  const points = spectrum
    .filter((point) => point.valueUs > 0 && point.quantile < 1)
    .map(({ quantile, valueUs }) => ({
      quantile,
      at: [quantileX(quantile), log10(valueUs)] as const,
    }));
  const hasEnoughSamples = (quantile: number) =>
    quantile <= 0.5 || minimumSamplesOf(quantile) <= samples;
  const solid = points.filter(({ quantile }) => hasEnoughSamples(quantile)).map(({ at }) => at);
  const rest = points.filter(({ quantile }) => !hasEnoughSamples(quantile)).map(({ at }) => at);
  const joint = solid.at(-1);
  return { solid, dotted: joint === undefined ? rest : [joint, ...rest] };
}

function quantileScale(xs: readonly number[]): Scale {
  const max = Math.max(2.2, ...xs);
  const labels: readonly (readonly [number, string])[] = [
    [0, '0 %'],
    [quantileX(0.5), '50 %'],
    [1, '90 %'],
    [2, '99 %'],
    [3, '99.9 %'],
    [4, '99.99 %'],
    [5, '99.999 %'],
  ];
  const shown = labels.filter(([at]) => at <= max + 1e-9);
  return {
    min: 0,
    max,
    ticks: shown.map(([at]) => at),
    label: (tick) => shown.find(([at]) => Math.abs(at - tick) < 1e-6)?.[1] ?? '',
  };
}

function staircaseSeries(steps: readonly SloStep[], y: Scale, x: Scale): Record<string, unknown>[] {
  const corners = staircase(steps, y.max);
  if (corners.length === 0) return [];
  const areas = corners.flatMap((corner, index) => {
    const next = corners[index + 1];
    return next === undefined || next[0] === corner[0]
      ? []
      : [[{ coord: [corner[0], corner[1]] }, { coord: [next[0], y.max] }]];
  });
  return [
    {
      ...line(corners, { stroke: color('slo'), width: 1.5, dash: 'solid' }),
      markArea: { silent: true, itemStyle: { color: color('slo-zone') }, data: areas },
    },
    ...steps.map((step) => ({
      ...line([[quantileX(step.quantile), log10(step.limitUs)]], { stroke: color('slo') }),
      type: 'scatter',
      symbolSize: 5,
      itemStyle: { color: color('slo') },
      label: {
        show: true,
        position: quantileX(step.quantile) > x.max * 0.5 ? [-8, 8] : [8, 8],
        align: quantileX(step.quantile) > x.max * 0.5 ? 'right' : 'left',
        color: color('slo'),
        formatter: () => step.objective,
      },
    })),
  ];
}
