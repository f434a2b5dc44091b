/** Errors over time, stacked by cause. The colour of a cause is its index in `causes`. */
import { formatCount, oneLine } from '../format.ts';
import type { Markup } from '../html/markup.ts';
import type { NamedArm } from '../rows.ts';
import { axis, grid, linearScale, timeScale } from './axes.ts';
import { downsampleCounts, maxBuckets, mergeFactor } from './downsample.ts';
import { color, seriesRole } from './palette.ts';
import { type ChartText, responsiveChart } from './svg.ts';

export function errorCauses(arms: readonly NamedArm[]): string[] {
  return [...new Set(arms.flatMap(({ arm }) => arm.errorTimeline.map((series) => series.cause)))];
}

export function errorChart({ name, arm }: NamedArm, causes: readonly string[]): Markup | null {
  const total = arm.errorTimeline.flatMap((series) => series.counts).reduce((sum, n) => sum + n, 0);
  if (total === 0) return null;
  const text: ChartText = {
    id: `errors-${name}`,
    title: `Errors of ${name} by cause`,
    description: arm.errors
      .map(({ cause, count }) => `${oneLine(cause)}: ${formatCount(count)}`)
      .join(', '),
  };
  return responsiveChart(text, 540, (width) => drawErrors(arm, causes, width));
}

function drawErrors(arm: NamedArm['arm'], causes: readonly string[], width: number) {
  const height = 190;
  const box = { left: 52, top: 10, width: width - 52 - 12, height: height - 10 - 30 };
  const limit = maxBuckets(box.width);
  const length = Math.max(...arm.errorTimeline.map((series) => series.counts.length));
  const bucketSeconds = (arm.timeline.bucketUs / 1_000_000) * mergeFactor(length, limit);
  const series = arm.errorTimeline.map(({ cause, counts }) => ({
    cause,
    counts: downsampleCounts(counts, limit),
  }));
  const buckets = Math.max(...series.map(({ counts }) => counts.length));
  const stacked = Array.from({ length: buckets }, (_, index) =>
    series.reduce((sum, { counts }) => sum + (counts[index] ?? 0), 0),
  );
  const time = timeScale(buckets * bucketSeconds, box.width);
  const y = linearScale(Math.max(1, ...stacked), formatCount, Math.min(3, Math.max(1, ...stacked)));
  return {
    width,
    height,
    option: {
      grid: grid(box),
      xAxis: [
        { type: 'category', show: false, data: stacked.map((_, index) => String(index)) },
        { ...axis('x', time), position: 'bottom' },
      ],
      yAxis: axis('y', y),
      series: series.map(({ cause, counts }) => ({
        type: 'bar',
        stack: 'all',
        silent: true,
        xAxisIndex: 0,
        barCategoryGap: '12%',
        data: [...counts],
        itemStyle: { color: color(seriesRole(causes.indexOf(cause))) },
      })),
    },
  };
}
