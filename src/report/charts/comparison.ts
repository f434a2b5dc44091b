/** One bar for each alternative, in one column of the comparison, and a line at its limit. */
import type { Comparison } from '../../sim/result.ts';
import { formatMeasure } from '../format.ts';
import type { Markup } from '../html/markup.ts';
import { axis, grid, linearScale } from './axes.ts';
import { color } from './palette.ts';
import { type ChartText, responsiveChart } from './svg.ts';

const BAR_HEIGHT = 34;

export function comparisonChart(comparison: Comparison): Markup | null {
  const { chart, columns, rows } = comparison;
  const column = columns.find(({ id }) => id === chart.column);
  const bars = rows.flatMap(({ name, ours, values }) => {
    const value = values[chart.column] ?? null;
    return value === null ? [] : [{ name, ours, value }];
  });
  if (column === undefined || bars.length === 0) return null;
  const text: ChartText = {
    id: 'comparison-chart',
    title: `${comparison.title}: ${column.label}`,
    description: bars
      .map(({ name, value }) => `${name} ${formatMeasure(value, column.unit)}`)
      .join(', '),
  };
  const show = (value: number) => formatMeasure(value, column.unit);
  return responsiveChart(text, 720, (width) => {
    const left = width > 500 ? 170 : 128;
    const box = { left, top: 22, width: width - left - 84, height: bars.length * BAR_HEIGHT };
    const scale = linearScale(Math.max(chart.limit ?? 0, ...bars.map(({ value }) => value)), show);
    return {
      width,
      height: box.top + box.height + 30,
      option: {
        grid: grid(box),
        xAxis: axis('x', scale, { lines: true }),
        yAxis: nameAxis(bars.map(({ name }) => name)),
        series: [
          {
            type: 'bar',
            silent: true,
            barWidth: 16,
            data: bars.map(({ value, ours }) => ({
              value,
              itemStyle: { color: color(ours ? 'after' : 'before-soft') },
            })),
            label: {
              show: true,
              position: 'right',
              color: color('ink'),
              formatter: ({ value }: { value: number }) => show(value),
            },
            ...(chart.limit === null ? {} : { markLine: limitMark(chart.limit, show) }),
          },
        ],
      },
    };
  });
}

function nameAxis(data: readonly string[]): Record<string, unknown> {
  return {
    type: 'category',
    // ECharts draws upwards by default.
    inverse: true,
    data: [...data],
    axisTick: { show: false },
    axisLine: { show: true, lineStyle: { color: color('axis'), width: 1 } },
    axisLabel: { color: color('ink'), margin: 8, interval: 0 },
  };
}

function limitMark(limit: number, show: (value: number) => string): Record<string, unknown> {
  return {
    silent: true,
    symbol: 'none',
    data: [
      {
        xAxis: limit,
        lineStyle: { color: color('slo'), width: 1.5, type: 'solid' },
        label: {
          show: true,
          position: 'start',
          rotate: 0,
          offset: [0, -6],
          color: color('slo'),
          formatter: () => `limit: ${show(limit)}`,
          align: 'center',
        },
      },
    ],
  };
}
