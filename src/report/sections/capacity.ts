/** How far the arm goes: rising load, step by step, until an SLO breaks. */
import type { LoadStep } from '../../sim/result.ts';
import type { Block, Pair, Row, SectionSpec } from '../blocks.ts';
import { capacityChart } from '../charts/capacity.ts';
import { countText, durationText, percentileText, rateText, ratioText } from '../format.ts';
import { judged, styled } from '../inline.ts';
import type { NamedArm } from '../rows.ts';
import { capacityText } from '../wording.ts';

export const capacity: SectionSpec = {
  id: 'capacity',
  render: ({ arms }) => {
    const searched = arms.filter(({ arm }) => arm.capacity !== null);
    if (searched.length === 0) return null;
    const facts = searched.map(
      (named): Pair => ({
        label: 'capacity',
        content: capacityText(named),
        arm: named.name,
      }),
    );
    return {
      title: 'Capacity',
      blocks: searched.flatMap(blocksOf),
      console: { facts: [{ kind: 'pairs', pairs: facts }] },
    };
  },
};

function blocksOf(named: NamedArm): Block[] {
  const { steps, note } = named.arm.capacity!;
  const figure = (title: string) => ({ title, isNumeric: true });
  const onPage = (title: string) => ({ ...figure(title), media: ['html'] as const });
  return [
    { kind: 'lead', text: capacityText(named) ?? '', note },
    {
      kind: 'figure',
      legend: [
        { role: named.name, text: 'step that held', shape: 'dot' },
        { role: 'bad', text: 'step that broke (cross)', shape: 'dot' },
        { role: 'muted', text: 'all of the offered load', shape: 'dash' },
        { role: 'slo', text: 'p99 limit', shape: 'thin' },
      ],
      chart: () => capacityChart(named),
    },
    {
      kind: 'table',
      label: `Load steps of ${named.name}`,
      columns: [
        ...['Offered', 'Completed', 'Mean'].map(figure),
        onPage('p95'),
        ...['p99', 'Errors'].map(figure),
        onPage('Send lag p99'),
        figure('n'),
        { title: 'Verdict' },
      ],
      rows: steps.map(stepRow),
    },
  ];
}

function stepRow({ latency, verdict, reason, ...step }: LoadStep): Row {
  return {
    cells: [
      rateText(step.offeredPerSecond),
      rateText(step.achievedPerSecond),
      durationText(latency.meanUs),
      percentileText(latency.p95Us, 0.95, latency.count),
      percentileText(latency.p99Us, 0.99, latency.count),
      ratioText(step.errorRatio),
      durationText(step.lagP99Us),
      countText(latency.count),
      [judged(verdict), reason !== undefined && [styled('break', null), styled('reason', reason)]],
    ],
  };
}
