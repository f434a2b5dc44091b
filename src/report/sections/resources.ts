/** CPU and memory of the processes of the testbed and of the load generator. */
import {
  intro,
  type MatrixCell,
  numeric,
  onlyFor,
  type ReportInput,
  type Section,
} from '../blocks.ts';
import { cpuChart, processNames, sharedCpuScale } from '../charts/cpu.ts';
import { seriesLegend } from '../charts/palette.ts';
import { formatBytes, formatDuration, formatPercent } from '../format.ts';
import { byMedium, styled } from '../inline.ts';
import { hasSeveralJudgedPhases, type NamedArm } from '../rows.ts';

/** With more processes, each gets one row for all arms instead of one for each arm. */
const MAX_LISTED = 9;

export function resources({ arms }: ReportInput): Section | null {
  const processes = processNames(arms);
  if (processes.length === 0) return null;
  const scale = sharedCpuScale(arms);
  const counted = hasSeveralJudgedPhases(arms)
    ? 'phase in which costs are counted'
    : 'judged phases';
  const used = processes.filter((name) => arms.some(({ arm }) => name in arm.resources));
  const legend = seriesLegend(processes);
  const charts = arms.map((arm) => ({ arm, chart: () => cpuChart(arm, { scale, processes }) }));
  const cpu = byMedium('CPU', 'CPU of one core');
  return {
    id: 'resources',
    title: 'Resources',
    blocks: [
      intro(`CPU is in percent of one core. The table covers the ${counted}.`),
      onlyFor('html', { kind: 'charts', legend, charts }),
      {
        kind: 'matrix',
        label: 'Resources by process',
        title: 'Process',
        arms,
        fields: numeric(cpu, 'CPU per operation', 'Memory', 'Cores'),
        items: used.map((name) => {
          return { head: name, cells: arms.map((named) => resourceCell(named, name)) };
        }),
        isList: arms.length <= 2 && used.length <= MAX_LISTED,
        isByArm: true,
      },
    ],
  };
}

function resourceCell({ arm }: NamedArm, process: string): MatrixCell | null {
  const used = arm.resources[process];
  if (used === undefined) return null;
  const [cpu, each] = [formatPercent(used.cpuPercent), formatDuration(used.cpuUsPerOperation)];
  const memory = formatBytes(used.rssBytes);
  const pinned = used.cores === 'any' ? memory : `${memory}, core ${used.cores}`;
  const aside = styled('aside', `${each} per operation`);
  return {
    shown: [styled('figure', cpu), aside, styled('under', pinned)],
    fields: [cpu, each, memory, used.cores],
  };
}
