/**
 * Rising load: completed rate (on the diagonal it equals the offered rate) and p99 with its SLO, on one log axis of
 * offered load. Dots are steps that held, crosses steps that broke, rings unknown.
 */
import type { Capacity, LoadStep } from '../../sim/result.ts';
import { formatCount, formatRate } from '../format.ts';
import type { Markup } from '../html/markup.ts';
import type { NamedArm } from '../rows.ts';
import { axis, grid, heading, latencyScale, line, log10, type Scale } from './axes.ts';
import { armColor, color } from './palette.ts';
import { sloSteps } from './spectrum.ts';
import { type ChartText, responsiveChart } from './svg.ts';

export function capacityChart(named: NamedArm): Markup | null {
  const { capacity } = named.arm;
  if (capacity === null || capacity.steps.length === 0) return null;
  const text: ChartText = {
    id: `capacity-${named.name}`,
    title: `Capacity of ${named.name}`,
    description: `${capacity.steps.length} steps from ${formatRate(capacity.steps[0]!.offeredPerSecond)} to ${formatRate(capacity.steps.at(-1)!.offeredPerSecond)}; the table below has each step.`,
  };
  return responsiveChart(text, 720, (width) => drawCapacity(named, capacity, width));
}

function drawCapacity({ name, arm }: NamedArm, capacity: Capacity, width: number) {
  const left = 58;
  const isWide = width > 500;
  const plot = width - left - (isWide ? 112 : 52);
  const boxes = [
    { left, top: 42, width: plot, height: 150 },
    { left, top: 226, width: plot, height: 150 },
  ];
  // Only the last attempt of a repeated step is drawn; the table has them all.
  const steps = capacity.steps
    .filter((_, index) => !capacity.steps.some(({ repeats }) => repeats === index))
    .filter((step) => step.offeredPerSecond > 0)
    .sort((a, b) => a.offeredPerSecond - b.offeredPerSecond);
  const offered = steps.map((step) => step.offeredPerSecond);
  const load = loadScale(offered, plot / 190);
  const achieved = loadScale(
    [...offered, ...steps.map((step) => step.achievedPerSecond)],
    150 / 60,
  );
  const slo = sloSteps(arm.slos).find((step) => step.quantile === 0.99);
  const p99 = latencyScale([...steps.map((step) => step.latency.p99Us), slo?.limitUs ?? 0]);
  const low = Math.max(load.min, achieved.min);
  const high = Math.min(load.max, achieved.max);
  return {
    width,
    height: 424,
    option: {
      title: [
        heading('completed, per second, log', left, 4),
        heading('p99 response time, log', left, 206),
      ],
      grid: boxes.map(grid),
      xAxis: [
        axis('x', load, { grid: 0, labels: false }),
        {
          ...axis('x', load, { grid: 1 }),
          name: 'offered load, per second, log',
          nameLocation: 'middle',
          nameGap: 28,
          nameTextStyle: { color: color('muted') },
        },
      ],
      yAxis: [axis('y', achieved, { grid: 0 }), axis('y', p99, { grid: 1 })],
      series: [
        line(
          [
            [low, low],
            [high, high],
          ],
          { stroke: color('muted'), width: 1, dash: [4, 3] },
        ),
        capacityLines(capacity, isWide, load),
        { ...capacityLines(capacity, null, load), xAxisIndex: 1, yAxisIndex: 1 },
        line(
          stepPoints(steps, (step) => step.achievedPerSecond),
          { stroke: armColor(name), width: 1.75 },
        ),
        stepMarks(steps, (step) => step.achievedPerSecond, 0, armColor(name)),
        ...(slo === undefined ? [] : limitLine(slo, load)),
        line(
          stepPoints(steps, (step) => step.latency.p99Us),
          { stroke: armColor(name), width: 1.75 },
          1,
        ),
        stepMarks(steps, (step) => step.latency.p99Us, 1, armColor(name)),
      ],
    },
  };
}

function stepPoints(steps: readonly LoadStep[], pick: (step: LoadStep) => number) {
  return steps.map(
    (step) => [log10(step.offeredPerSecond), log10(Math.max(1, pick(step)))] as const,
  );
}

function stepMarks(
  steps: readonly LoadStep[],
  pick: (step: LoadStep) => number,
  axes: number,
  held: string,
) {
  const at = stepPoints(steps, pick);
  return {
    type: 'scatter',
    silent: true,
    z: 4,
    xAxisIndex: axes,
    yAxisIndex: axes,
    data: steps.map((step, index) => ({
      value: [...at[index]!],
      symbol:
        step.verdict === 'fail'
          ? 'path://M0 0L3 0L10 7L17 0L20 0L20 3L13 10L20 17L20 20L17 20L10 13L3 20L0 20L0 17L7 10L0 3Z'
          : 'circle',
      symbolSize: step.verdict === 'fail' ? 10 : 7,
      itemStyle:
        step.verdict === 'unknown'
          ? { color: 'none', borderColor: color('doubt'), borderWidth: 1.5 }
          : { color: step.verdict === 'pass' ? held : color('bad'), opacity: 1 },
    })),
  };
}

/** Vertical lines at the rates that held and broke, labelled in the upper panel. */
function capacityLines(
  capacity: Capacity,
  isWide: boolean | null,
  load: Scale,
): Record<string, unknown> {
  const line = (rate: number | null, verb: string, stroke: string, align: 'left' | 'right') =>
    rate === null
      ? []
      : [
          {
            xAxis: Math.min(load.max, log10(rate)),
            lineStyle: { color: stroke, width: 1, type: 'solid' },
            label: {
              show: isWide !== null,
              position: 'end',
              rotate: 0,
              align,
              offset: align === 'right' ? [-2, 2] : [2, 2],
              color: stroke,
              formatter: () => (isWide ? `${verb} ${formatRate(rate)}` : formatRate(rate)),
            },
          },
        ];
  return {
    type: 'line',
    data: [],
    silent: true,
    markLine: {
      silent: true,
      symbol: 'none',
      data: [
        ...line(capacity.holdsPerSecond, 'holds', color('good'), 'right'),
        ...line(capacity.breaksPerSecond, 'breaks at', color('bad'), 'left'),
      ],
    },
  };
}

/** The p99 SLO across the lower panel. */
function limitLine(slo: { readonly objective: string; readonly limitUs: number }, load: Scale) {
  const y = log10(slo.limitUs);
  const ends = [
    [load.min, y],
    [load.max, y],
  ] as const;
  return [
    line(ends, { stroke: color('slo'), width: 1.5 }, 1),
    {
      type: 'scatter',
      silent: true,
      xAxisIndex: 1,
      yAxisIndex: 1,
      symbolSize: 0.01,
      data: [[load.min, y]],
      label: {
        show: true,
        position: [6, -15],
        color: color('slo'),
        formatter: () => slo.objective,
      },
    },
  ];
}

/** log10 of a rate; `room` is how many decades fit with ticks at 1, 2 and 5. */
function loadScale(rates: readonly number[], room: number): Scale {
  const known = rates.filter((rate) => rate > 0);
  const min = Math.log10(Math.min(...known)) - 0.08;
  const max = Math.log10(Math.max(...known)) + 0.12;
  const factors = room >= max - min ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let decade = Math.floor(min); decade <= max; decade += 1) {
    for (const factor of factors) {
      const tick = decade + Math.log10(factor);
      if (tick >= min && tick <= max) ticks.push(tick);
    }
  }
  return { min, max, ticks, label: (tick) => formatCount(10 ** tick) };
}
