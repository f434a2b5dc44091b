/** What the nodes of the testbed and the load generator spent. Their names are the result's. */
import { intro, type MatrixCell, numeric, only, type Run, type Section } from '../blocks.ts';
import { cpuChart, processNames, sharedCpuScale } from '../charts/cpu.ts';
import { seriesLegend } from '../charts/palette.ts';
import { bytesText, durationText, percentText } from '../format.ts';
import { byMedium, styled } from '../inline.ts';
import { isPhased, type NamedArm } from '../rows.ts';

/** More processes than this are easier to read in one row each than in one row for each arm. */
const MOST_LISTED = 9;

export function resources({ arms }: Run): Section | null {
  const processes = processNames(arms);
  if (processes.length === 0) return null;
  const scale = sharedCpuScale(arms);
  const counted = isPhased(arms) ? 'phase in which costs are counted' : 'judged phases';
  const used = processes.filter((name) => arms.some(({ arm }) => name in arm.resources));
  const legend = seriesLegend(processes);
  const charts = arms.map((arm) => ({ arm, chart: () => cpuChart(arm, { scale, processes }) }));
  const cpu = byMedium('CPU', 'CPU of one core');
  return {
    id: 'resources',
    title: 'Resources',
    blocks: [
      intro(`CPU in percent of one core: 100 % is one core full. The table is of the ${counted}.`),
      only('html', { kind: 'figures', legend, charts }),
      {
        kind: 'matrix',
        label: 'Resources by process',
        title: 'Process',
        arms,
        fields: numeric(cpu, 'CPU per operation', 'Memory', 'Cores'),
        items: used.map((name) => {
          return { head: name, cells: arms.map((named) => resourceCell(named, name)) };
        }),
        isList: arms.length <= 2 && used.length <= MOST_LISTED,
        isByArm: true,
      },
    ],
  };
}

function resourceCell({ arm }: NamedArm, process: string): MatrixCell | null {
  const used = arm.resources[process];
  if (used === undefined) return null;
  const [cpu, each] = [percentText(used.cpuPercent), durationText(used.cpuUsPerOperation)];
  const memory = bytesText(used.rssBytes);
  const pinned = used.cores === 'any' ? memory : `${memory}, core ${used.cores}`;
  const aside = styled('aside', `${each} per operation`);
  return {
    shown: [styled('figure', cpu), aside, styled('under', pinned)],
    fields: [cpu, each, memory, used.cores],
  };
}
