/** Latency heat maps: they show modes and stalls that percentiles hide. */
import { intro, onlyFor, type ReportInput, type Section } from '../blocks.ts';
import { downsampleHeatMap } from '../charts/downsample.ts';
import { heatLegend, heatMapChart, heatScale } from '../charts/heat-map.ts';
import { heatRole } from '../charts/palette.ts';
import { formatDuration } from '../format.ts';

export function heatMap({ arms }: ReportInput): Section | null {
  const scale = heatScale(arms);
  if (scale === null) return null;
  const drawn = arms.filter(({ arm }) => arm.heatMap !== null);
  const widest = Math.max(...drawn.map(({ arm }) => downsampleHeatMap(arm.heatMap!).bucketUs));
  const bucket = formatDuration(widest).replace('.0', '');
  const legend = heatLegend(scale).map((text, index) => {
    return { role: heatRole(index + 1), text, shape: 'box' } as const;
  });
  const charts = drawn.map((arm) => ({ arm, chart: () => heatMapChart(arm, scale) }));
  return {
    id: 'heat',
    title: 'Latency heat maps',
    short: 'Heat maps',
    blocks: [
      intro(
        `Each cell counts the operations of ${bucket} in one band of latency. One colour scale and one latency axis for all arms.`,
      ),
      onlyFor('html', { kind: 'charts', legend, charts }),
    ],
  };
}
