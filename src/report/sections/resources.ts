/** What the nodes of the testbed and the load generator spent. Their names are the result's. */
import { type Cell, intro, type SectionSpec } from '../blocks.ts';
import { cpuChart, processNames, sharedCpuScale } from '../charts/cpu.ts';
import { seriesLegend } from '../charts/palette.ts';
import { bytesText, durationText, percentText } from '../format.ts';
import { byMedium, styled } from '../inline.ts';
import { isPhased, type NamedArm } from '../rows.ts';

/** More processes than this are easier to read in one row each than in one row for each arm. */
const MOST_LISTED = 9;

export const resources: SectionSpec = {
  id: 'resources',
  render: ({ arms }) => {
    const processes = processNames(arms);
    if (processes.length === 0) return null;
    const scale = sharedCpuScale(arms);
    const counted = isPhased(arms) ? 'phase in which costs are counted' : 'judged phases';
    const used = processes.filter((name) => arms.some(({ arm }) => name in arm.resources));
    const isListed = arms.length <= 2 && used.length <= MOST_LISTED;
    return {
      title: 'Resources',
      blocks: [
        intro(
          `CPU in percent of one core: 100 % is one core full. The table is of the ${counted}.`,
        ),
        {
          kind: 'figures',
          legend: seriesLegend(processes),
          charts: arms.map((arm) => ({ arm, chart: () => cpuChart(arm, { scale, processes }) })),
          media: ['html'],
        },
        used.length > 0 && {
          kind: 'matrix',
          label: 'Resources by process',
          title: 'Process',
          arms,
          fields: [
            { title: byMedium({ html: 'CPU', markdown: 'CPU of one core' }), isNumeric: true },
            ...['CPU per operation', 'Memory', 'Cores'].map((title) => ({
              title,
              isNumeric: true,
            })),
          ],
          items: used.map((name) => ({
            head: name,
            cells: arms.map((named) => resourceCell(named, name)),
          })),
          listIn: isListed ? ['html', 'markdown', 'console'] : ['markdown', 'console'],
          armFirstIn: ['markdown', 'console'],
        },
      ],
    };
  },
};

function resourceCell({ arm }: NamedArm, process: string): Cell | null {
  const used = arm.resources[process];
  if (used === undefined) return null;
  const cpu = percentText(used.cpuPercent);
  const each = durationText(used.cpuUsPerOperation);
  const memory = bytesText(used.rssBytes);
  return {
    shown: [
      styled('figure', cpu),
      styled('aside', `${each} per operation`),
      styled('under', `${memory}${used.cores === 'any' ? '' : `, core ${used.cores}`}`),
    ],
    fields: [cpu, each, memory, used.cores],
  };
}
