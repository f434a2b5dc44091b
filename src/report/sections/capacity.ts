/** Capacity: rising load, step by step, until an SLO breaks. */
import type { LoadStep } from '../../sim/result.ts';
import {
  type Block,
  numeric,
  onlyFor,
  pairs,
  paragraph,
  type ReportInput,
  type Section,
  table,
} from '../blocks.ts';
import { capacityChart } from '../charts/capacity.ts';
import type { LegendItem } from '../charts/palette.ts';
import {
  formatCount,
  formatDuration,
  formatPercentile,
  formatRate,
  formatRatio,
} from '../format.ts';
import { type Inline, judged, styled } from '../inline.ts';
import type { NamedArm } from '../rows.ts';
import { formatCapacity } from '../wording.ts';

export function capacity({ arms }: ReportInput): Section | null {
  const searched = arms.filter(({ arm }) => arm.capacity !== null);
  if (searched.length === 0) return null;
  const facts = searched.map((named) => ['capacity', formatCapacity(named), named.name] as const);
  return {
    id: 'capacity',
    title: 'Capacity',
    blocks: searched.flatMap(blocksOf),
    console: { facts: [pairs(facts)] },
  };
}

function blocksOf(named: NamedArm): Block[] {
  const { steps, note } = named.arm.capacity!;
  const found = styled('strong', `${formatCapacity(named)}.`);
  const legend: LegendItem[] = [
    { role: named.name, text: 'step that held', shape: 'dot' },
    { role: 'bad', text: 'step that broke (cross)', shape: 'dot' },
    { role: 'muted', text: 'completed = offered', shape: 'dash' },
    { role: 'slo', text: 'p99 limit', shape: 'thin' },
  ];
  const onPage = (title: string) => ({ title, isNumeric: true, media: ['html'] as const });
  const columns = [
    ...numeric('Offered', 'Completed', 'Mean'),
    onPage('p95'),
    ...numeric('p99', 'Errors'),
    onPage('Send lag p99'),
    ...numeric('n'),
    'Verdict',
  ];
  return [
    onlyFor('html', paragraph(found, 'big')),
    onlyFor('html', paragraph(note, 'note')),
    onlyFor('markdown', paragraph([found, ' ', note])),
    { kind: 'chart', legend, chart: () => capacityChart(named) },
    table(`Load steps of ${named.name}`, columns, steps.map(stepCells)),
  ];
}

function stepCells({ latency, verdict, reason, ...step }: LoadStep): Inline[] {
  return [
    formatRate(step.offeredPerSecond),
    formatRate(step.achievedPerSecond),
    formatDuration(latency.meanUs),
    formatPercentile(latency.p95Us, 0.95, latency.count),
    formatPercentile(latency.p99Us, 0.99, latency.count),
    formatRatio(step.errorRatio),
    formatDuration(step.lagP99Us),
    formatCount(latency.count),
    [judged(verdict), reason !== undefined && [styled('break', null), styled('reason', reason)]],
  ];
}
