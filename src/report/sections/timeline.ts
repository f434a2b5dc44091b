/** The arms over time, and their phases. */
import {
  type Block,
  type ChartsBlock,
  details,
  intro,
  numeric,
  onlyFor,
  type ReportInput,
  type Section,
  table,
} from '../blocks.ts';
import type { LegendItem } from '../charts/palette.ts';
import { sloSteps } from '../charts/spectrum.ts';
import { isCrowded, sharedLatencyScale, timelineChart } from '../charts/timeline.ts';
import { formatOffset } from '../format.ts';
import { byMedium } from '../inline.ts';
import { hasSeveralJudgedPhases, type NamedArm } from '../rows.ts';

export function timeline({ arms }: ReportInput): Section | null {
  const drawn = arms.filter(({ arm }) => arm.timeline.points.length > 0);
  if (drawn.length === 0) return null;
  return {
    id: 'timeline',
    // Markdown shows only the phases.
    title: byMedium('Timeline', 'Phases'),
    short: 'Timeline',
    blocks: [
      intro(
        'All arms share the latency axis; rates start at zero. The p99 of a second with few answers is its slowest answer.',
      ),
      onlyFor('html', timelineCharts(drawn)),
      phaseTable(arms),
    ],
  };
}

function timelineCharts(drawn: readonly NamedArm[]): ChartsBlock {
  const scale = sharedLatencyScale(drawn);
  const isStacked = isCrowded(drawn);
  const names = drawn.map(({ arm }) => arm.phases.map(({ name }) => name));
  const longest = names.reduce((most, found) => (found.length > most.length ? found : most));
  // One list for all, unless a number means another phase in another arm.
  const isShared = names.every((found) => found.every((name, index) => name === longest[index]));
  const legend: LegendItem[] = [{ role: 'muted', text: 'offered', shape: 'dash' }];
  for (const { name } of drawn) {
    legend.push({ role: name, text: `${name}: completed, p99, in flight` });
    legend.push({ role: `${name}-soft`, text: `${name}: p50`, shape: 'thin' });
  }
  const hasLimit = drawn.some(({ arm }) => sloSteps(arm.slos).length > 0);
  if (hasLimit) legend.push({ role: 'slo', text: 'p99 limit', shape: 'dash' });
  legend.push({ role: 'idle', text: 'not judged', shape: 'hatched' });
  const hasFaults = drawn.some(({ arm }) => arm.faults.length > 0);
  if (hasFaults) legend.push({ role: 'fault', text: 'fault', shape: 'box' });
  return {
    kind: 'charts',
    legend,
    charts: drawn.map((arm, index) => ({
      arm,
      chart: () => timelineChart(arm, scale, isStacked),
      ...(isStacked && !isShared && { numbered: names[index]! }),
    })),
    ...(isStacked && { numbered: isShared ? longest : [] }),
    isKept: true,
  };
}

/** Omitted if the section `phases` shows them. */
function phaseTable(arms: readonly NamedArm[]): Block | false {
  const rows = arms.flatMap(({ name, arm }) =>
    arm.phases.map(({ judged, note, startUs, endUs, ...phase }) => {
      const kind = judged ? 'judged' : 'shown only';
      const span = [formatOffset(startUs), formatOffset(endUs)];
      return [name, phase.name, name, kind, note, ...span];
    }),
  );
  const columns = [
    { title: 'Arm', media: ['markdown'] as const },
    'Phase',
    { title: 'Arm', media: ['html'] as const },
    'Kind',
    { title: byMedium('What for', 'note') },
    ...numeric('From', 'To'),
  ];
  if (rows.length === 0 || hasSeveralJudgedPhases(arms)) return false;
  return details(byMedium('Phases', null), table('Phases', columns, rows));
}
