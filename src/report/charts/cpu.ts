/** CPU per process over time, in percent of one core, on an axis all arms share. */
import { formatPercent } from '../format.ts';
import type { Markup } from '../html/markup.ts';
import { armEndUs, type NamedArm } from '../rows.ts';
import { line, linearScale, plane, type Scale, timeScale } from './axes.ts';
import { downsampleValues, MAX_COLUMNS, maxBuckets, mergeFactor } from './downsample.ts';
import { color, isSeriesDashed, seriesRole } from './palette.ts';
import { type ChartText, responsiveChart } from './svg.ts';

export function processNames(arms: readonly NamedArm[]): string[] {
  return [
    ...new Set(
      arms.flatMap(({ arm }) => [
        ...Object.keys(arm.resources),
        ...Object.keys(arm.resourceTimeline.processes),
      ]),
    ),
  ];
}

export function sharedCpuScale(arms: readonly NamedArm[]): Scale {
  const values = arms.flatMap(({ arm }) =>
    Object.values(arm.resourceTimeline.processes).flatMap((series) =>
      downsampleValues(series, MAX_COLUMNS).map((value) => value ?? 0),
    ),
  );
  return linearScale(Math.max(100, ...values), formatPercent, 5);
}

export function cpuChart(
  { name, arm }: NamedArm,
  { scale, processes }: { scale: Scale; processes: readonly string[] },
): Markup | null {
  const { processes: series, bucketUs } = arm.resourceTimeline;
  if (!Object.values(series).some((values) => values.some((value) => value !== null))) return null;
  const text: ChartText = {
    id: `cpu-${name}`,
    title: `CPU of ${name} by process`,
    description: 'Percent of one core over time; the table below has the judged phase.',
  };
  return responsiveChart(text, 540, (width) => {
    const height = 230;
    const box = { left: 52, top: 10, width: width - 52 - 12, height: height - 10 - 30 };
    const limit = maxBuckets(box.width);
    const time = timeScale(endSeconds(arm), box.width);
    return {
      width,
      height,
      option: {
        ...plane(box, time, scale),
        series: Object.entries(series).map(([process, values]) => {
          const step = (bucketUs / 1_000_000) * mergeFactor(values.length, limit);
          const data = downsampleValues(values, limit).map(
            (value, index) => [index * step, value] as const,
          );
          const at = processes.indexOf(process);
          const dash = isSeriesDashed(at) ? [5, 3] : 'solid';
          return line(data, { stroke: color(seriesRole(at)), width: 1.75, dash });
        }),
      },
    };
  });
}

function endSeconds(arm: NamedArm['arm']): number {
  const lengths = Object.values(arm.resourceTimeline.processes).map((values) => values.length);
  const measured = (Math.max(0, ...lengths) * arm.resourceTimeline.bucketUs) / 1_000_000;
  return Math.max(measured, armEndUs(arm) / 1_000_000);
}
