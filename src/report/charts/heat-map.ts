/**
 * Latency heat maps. All arms share one log latency axis and one colour scale, which has steps so that a legend can
 * name them. Cells of one colour and row are one path, so that a map stays a few kilobytes.
 */
import type { HeatMap } from '../../sim/result.ts';
import { formatCount } from '../format.ts';
import type { Markup } from '../html/markup.ts';
import type { NamedArm } from '../rows.ts';
import { latencyScale, log10, plane, type Scale, timeScale } from './axes.ts';
import { downsampleHeatMap } from './downsample.ts';
import { color, HEAT_LEVELS, heatRole } from './palette.ts';
import { type ChartText, responsiveChart } from './svg.ts';

/** Shared by all maps of a run. `levels[i]` is the smallest count of colour i + 1. */
export interface HeatScale {
  readonly latency: Scale;
  readonly levels: readonly number[];
  readonly largest: number;
}

export function heatScale(arms: readonly NamedArm[]): HeatScale | null {
  const maps = arms.flatMap(({ arm }) =>
    arm.heatMap === null ? [] : [downsampleHeatMap(arm.heatMap)],
  );
  const edges: number[] = [];
  let largest = 0;
  for (const map of maps) {
    for (const [row, counts] of map.counts.entries()) {
      const most = Math.max(0, ...counts);
      if (most === 0) continue;
      largest = Math.max(largest, most);
      edges.push(map.edgesUs[row]!, map.edgesUs[row + 1]!);
    }
  }
  if (largest === 0) return null;
  return { latency: latencyScale(edges), levels: heatLevels(largest), largest };
}

/** 1 and 2 always differ in colour, so that a quiet arm beside a busy one is not one flat colour. */
export function heatLevels(largest: number): number[] {
  const rest = Array.from({ length: HEAT_LEVELS - 2 }, (_, index) =>
    Math.ceil(4 * (largest / 4) ** (index / (HEAT_LEVELS - 2)) - 1e-9),
  );
  return [...new Set([1, 2, ...rest])].filter((low) => low <= largest).sort((a, b) => a - b);
}

/** `1`, `2 to 4`, `5 to 11`: one text for each colour in use. */
export function heatLegend(scale: HeatScale): string[] {
  return scale.levels.map((low, index) => {
    const high = (scale.levels[index + 1] ?? scale.largest + 1) - 1;
    return high <= low ? formatCount(low) : `${formatCount(low)} to ${formatCount(high)}`;
  });
}

export function heatMapChart({ name, arm }: NamedArm, scale: HeatScale): Markup | null {
  if (arm.heatMap === null) return null;
  const map = downsampleHeatMap(arm.heatMap);
  const text: ChartText = {
    id: `heat-${name}`,
    title: `Latency heat map of ${name}`,
    description: `Operations per ${map.bucketUs / 1_000_000} s and latency band; the darkest of ${scale.levels.length} steps starts at ${formatCount(scale.levels.at(-1)!)} operations.`,
  };
  return responsiveChart(text, 540, (width) => drawHeatMap(map, scale, width));
}

function drawHeatMap(map: HeatMap, scale: HeatScale, width: number) {
  const height = 300;
  const box = { left: 52, top: 10, width: width - 52 - 12, height: height - 10 - 30 };
  const startSeconds = map.startUs / 1_000_000;
  const endSeconds = startSeconds + (map.columns * map.bucketUs) / 1_000_000;
  const time = timeScale(endSeconds, box.width);
  const { min, max } = scale.latency;
  const x = (column: number) =>
    box.left + ((startSeconds + (column * map.bucketUs) / 1_000_000) / time.max) * box.width;
  const y = (us: number) => {
    const share = Math.min(1, Math.max(0, (log10(us) - min) / (max - min)));
    return box.top + (1 - share) * box.height;
  };
  const paths = levelPaths(map, scale.levels, { x, y });
  return {
    width,
    height,
    option: {
      ...plane(box, time, scale.latency),
      series: paths.map((pathData, index) => ({
        type: 'custom',
        silent: true,
        clip: false,
        data: pathData === '' ? [] : [[0, min]],
        renderItem: () => ({
          type: 'path',
          shape: { pathData },
          style: { fill: color(heatRole(index + 1)) },
        }),
      })),
    },
  };
}

/** One SVG path for each colour; adjacent cells of one colour in a row are one rectangle. */
function levelPaths(
  map: HeatMap,
  levels: readonly number[],
  { x, y }: { x: (column: number) => number; y: (us: number) => number },
): string[] {
  const paths = levels.map(() => '');
  const levelOf = (count: number) => levels.filter((low) => count >= low).length - 1;
  for (const [row, counts] of map.counts.entries()) {
    const top = round(y(map.edgesUs[row + 1]!));
    const bottom = round(y(map.edgesUs[row]!));
    let column = 0;
    while (column < counts.length) {
      const level = levelOf(counts[column]!);
      const first = column;
      while (column < counts.length && levelOf(counts[column]!) === level) column += 1;
      if (level < 0) continue;
      const left = round(x(first));
      const right = round(x(column));
      paths[level] += `M${left} ${top}L${right} ${top}L${right} ${bottom}L${left} ${bottom}Z`;
    }
  }
  return paths;
}

function round(value: number): number {
  return Number(value.toFixed(1));
}
