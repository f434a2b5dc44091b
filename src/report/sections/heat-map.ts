/** Latency heat maps: modes and stalls that percentile lines hide. */
import { intro, only, type Run, type Section } from '../blocks.ts';
import { heatLegend, heatMapChart, heatScale } from '../charts/heat-map.ts';
import { heatRole } from '../charts/palette.ts';
import { thinHeatMap } from '../charts/thin.ts';
import { durationText } from '../format.ts';

export function heatMap({ arms }: Run): Section | null {
  const scale = heatScale(arms);
  if (scale === null) return null;
  const drawn = arms.filter(({ arm }) => arm.heatMap !== null);
  const widest = Math.max(...drawn.map(({ arm }) => thinHeatMap(arm.heatMap!).bucketUs));
  const bucket = durationText(widest).replace('.0', '');
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
      only('html', { kind: 'figures', legend, charts }),
    ],
  };
}
