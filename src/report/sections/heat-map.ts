/** Latency heat maps: modes and stalls that percentile lines hide. */
import { intro, type SectionSpec } from '../blocks.ts';
import { heatLegend, heatMapChart, heatScale } from '../charts/heat-map.ts';
import { heatRole } from '../charts/palette.ts';
import { thinHeatMap } from '../charts/thin.ts';
import { durationText } from '../format.ts';

export const heatMap: SectionSpec = {
  id: 'heat',
  render: ({ arms }) => {
    const scale = heatScale(arms);
    if (scale === null) return null;
    const drawn = arms.filter(({ arm }) => arm.heatMap !== null);
    const widest = Math.max(...drawn.map(({ arm }) => thinHeatMap(arm.heatMap!).bucketUs));
    const bucket = durationText(widest).replace('.0', '');
    return {
      title: 'Latency heat maps',
      short: 'Heat maps',
      blocks: [
        intro(
          `Each cell counts the operations of ${bucket} in one band of latency. One colour scale and one latency axis for all arms.`,
        ),
        {
          kind: 'figures',
          legend: heatLegend(scale).map((text, index) => ({
            role: heatRole(index + 1),
            text,
            shape: 'box',
          })),
          charts: drawn.map((arm) => ({ arm, chart: () => heatMapChart(arm, scale) })),
          media: ['html'],
        },
      ],
    };
  },
};
