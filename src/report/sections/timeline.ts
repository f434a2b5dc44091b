/** How the arms behaved over time, and what their phases were for. */
import { type Block, intro, type SectionSpec } from '../blocks.ts';
import type { LegendItem } from '../charts/palette.ts';
import { sloSteps } from '../charts/spectrum.ts';
import { isCrowded, sharedLatencyScale, timelineChart } from '../charts/timeline.ts';
import { instantOffsetText } from '../format.ts';
import { byMedium } from '../inline.ts';
import { isPhased, type NamedArm } from '../rows.ts';

export const timeline: SectionSpec = {
  id: 'timeline',
  render: ({ arms }) => {
    const drawn = arms.filter(({ arm }) => arm.timeline.points.length > 0);
    if (drawn.length === 0) return null;
    return {
      // Without charts, the phases are what is left.
      title: byMedium({ html: 'Timeline', markdown: 'Phases' }),
      short: 'Timeline',
      blocks: [
        intro(
          'All arms share the latency axis; rates start at zero. The p99 of a second with few answers is its slowest answer.',
        ),
        charts(drawn),
        phaseTable(arms),
      ],
    };
  },
};

function charts(drawn: readonly NamedArm[]): Block {
  const scale = sharedLatencyScale(drawn);
  const isStacked = isCrowded(drawn);
  const longest = drawn.reduce((most, named) =>
    named.arm.phases.length > most.arm.phases.length ? named : most,
  );
  return {
    kind: 'figures',
    legend: legendOf(drawn),
    charts: drawn.map((arm) => ({ arm, chart: () => timelineChart(arm, scale, isStacked) })),
    ...(isStacked && { numbered: longest.arm.phases.map(({ name }) => name) }),
    isKept: true,
    media: ['html'],
  };
}

function legendOf(drawn: readonly NamedArm[]): LegendItem[] {
  const hasLimit = drawn.some(({ arm }) => sloSteps(arm.slos).length > 0);
  const hasFaults = drawn.some(({ arm }) => arm.faults.length > 0);
  const legend: LegendItem[] = [{ role: 'muted', text: 'offered', shape: 'dash' }];
  for (const { name } of drawn) {
    legend.push({ role: name, text: `${name}: completed, p99, in flight` });
    legend.push({ role: `${name}-soft`, text: `${name}: p50`, shape: 'thin' });
  }
  if (hasLimit) legend.push({ role: 'slo', text: 'p99 limit', shape: 'dash' });
  legend.push({ role: 'idle', text: 'not judged', shape: 'hatched' });
  if (hasFaults) legend.push({ role: 'fault', text: 'fault', shape: 'box' });
  return legend;
}

/** Left out where each phase has figures of its own: they have a section. */
function phaseTable(arms: readonly NamedArm[]): Block | null {
  const rows = arms.flatMap(({ name, arm }) =>
    arm.phases.map((phase) => ({
      cells: [
        name,
        phase.name,
        name,
        phase.judged ? 'judged' : 'shown only',
        phase.note,
        instantOffsetText(phase.startUs),
        instantOffsetText(phase.endUs),
      ],
    })),
  );
  if (rows.length === 0 || isPhased(arms)) return null;
  return {
    kind: 'details',
    summary: byMedium({ html: 'Phases', markdown: null }),
    body: {
      kind: 'table',
      label: 'Phases',
      columns: [
        { title: 'Arm', media: ['markdown'] },
        { title: 'Phase' },
        { title: 'Arm', media: ['html'] },
        { title: 'Kind' },
        { title: byMedium({ html: 'What for', markdown: 'note' }) },
        { title: 'From', isNumeric: true },
        { title: 'To', isNumeric: true },
      ],
      rows,
    },
  };
}
