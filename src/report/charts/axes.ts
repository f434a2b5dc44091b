/**
 * Axes with ticks of our own: linear from zero for rates, logarithmic for latency and load, time in seconds. Data on a
 * logarithmic axis is passed as log10, so that a tick can be at any value.
 */
import { formatDuration } from '../format.ts';
import { color } from './palette.ts';

export interface Scale {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
  readonly label: (tick: number) => string;
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export function log10(value: number): number {
  return Math.log10(Math.max(value, 1e-9));
}

/** From 0 to at least the largest value, with about `count` round steps. */
export function linearScale(largest: number, label: (tick: number) => string, count = 4): Scale {
  const rough = Math.max(largest, 1e-6) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!;
  const steps = Math.ceil(largest / step - 1e-9) || 1;
  const ticks = Array.from({ length: steps + 1 }, (_, index) =>
    Number((index * step).toPrecision(12)),
  );
  return { min: 0, max: ticks.at(-1)!, ticks, label };
}

/** Whole decades of microseconds around the values, at least one; in log10. */
export function latencyScale(valuesUs: readonly number[]): Scale {
  const positive = valuesUs.filter((value) => value > 0);
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const value of positive) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const min = positive.length === 0 ? 3 : Math.floor(Math.log10(low) + 1e-9);
  const max = positive.length === 0 ? 6 : Math.max(min + 1, Math.ceil(Math.log10(high) - 1e-9));
  const ticks = Array.from({ length: max - min + 1 }, (_, index) => min + index);
  return { min, max, ticks, label: (tick) => formatDuration(10 ** tick).replace('.0', '') };
}

const timeStepsSeconds = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200];

/** Seconds from 0 to the end of the arm. */
export function timeScale(endSeconds: number, width: number): Scale {
  const max = Math.max(1, endSeconds);
  const room = Math.max(3, Math.floor(width / 60));
  const step = timeStepsSeconds.find((size) => max / size <= room) ?? max;
  const ticks = Array.from(
    { length: Math.floor(max / step + 1e-9) + 1 },
    (_, index) => index * step,
  );
  return { min: 0, max, ticks, label: (tick) => `${tick} s` };
}

export function axis(
  kind: 'x' | 'y',
  scale: Scale,
  {
    grid = 0,
    labels = true,
    lines = kind === 'y',
  }: { grid?: number; labels?: boolean; lines?: boolean } = {},
): Record<string, unknown> {
  const customValues = [...scale.ticks];
  return {
    type: 'value',
    gridIndex: grid,
    min: scale.min,
    max: scale.max,
    axisLine: { show: kind === 'x', onZero: false, lineStyle: { color: color('axis'), width: 1 } },
    axisTick: {
      show: kind === 'x' && labels,
      customValues,
      length: 4,
      lineStyle: { color: color('axis') },
    },
    axisLabel: {
      show: labels,
      customValues,
      color: color('muted'),
      hideOverlap: true,
      margin: kind === 'x' ? 8 : 6,
      formatter: (value: number) => scale.label(value),
    },
    splitLine: { show: lines, customValues, lineStyle: { color: color('grid'), width: 1 } },
  };
}

/** The options of a plot in `box`: its grid and both axes. */
export function plane(box: Box, x: Scale, y: Scale): Record<string, unknown> {
  return { grid: grid(box), xAxis: axis('x', x), yAxis: axis('y', y) };
}

export function grid(box: Box): Record<string, unknown> {
  return { ...box, outerBoundsMode: 'none' };
}

/** A small heading inside the chart. */
export function heading(
  text: string,
  left: number,
  top: number,
  align = 'left',
): Record<string, unknown> {
  return {
    text,
    left,
    top,
    padding: 0,
    textAlign: align,
    textStyle: { color: color('muted'), fontSize: 12, fontWeight: 'normal' },
  };
}

/** A line series. `axes` is the index of its x and y axis. */
export function line(
  data: readonly (readonly [number, number | null])[],
  style: {
    stroke: string;
    width?: number;
    dash?: readonly number[] | 'solid';
    step?: 'start' | 'end';
  },
  axes = 0,
): Record<string, unknown> {
  return {
    type: 'line',
    xAxisIndex: axes,
    yAxisIndex: axes,
    silent: true,
    showSymbol: false,
    data,
    ...(style.step === undefined ? {} : { step: style.step }),
    lineStyle: { color: style.stroke, width: style.width ?? 1.5, type: style.dash ?? 'solid' },
  };
}
