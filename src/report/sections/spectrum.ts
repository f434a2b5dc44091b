/** Response time: percentile spectrum, table, and each operation. */
import {
  details,
  intro,
  numeric,
  onlyFor,
  type ReportInput,
  type Section,
  type Table,
  type TableRow,
  table,
} from '../blocks.ts';
import type { LegendItem } from '../charts/palette.ts';
import { sloSteps, spectrumChart } from '../charts/spectrum.ts';
import { formatCount, formatDuration, formatRate } from '../format.ts';
import { byMedium, type Inline, styled } from '../inline.ts';
import { formatLatencyRows, type NamedArm, objectiveQuantile } from '../rows.ts';
import { formatErrors } from '../wording.ts';

export function spectrum({ arms }: ReportInput): Section | null {
  if (arms.every(({ arm }) => arm.latency.count === 0)) return null;
  const slos = arms.flatMap(({ arm }) => arm.slos);
  const notDrawn = slos
    .filter(({ unit, scope }) => unit === 'us' && scope === undefined)
    .map(({ objective }) => objective)
    .filter((objective) => objectiveQuantile(objective) === null);
  const asides = [...new Set(notDrawn)].map((objective): Inline => {
    return [' ', styled('code', objective), ' is not a percentile and is not drawn.'];
  });
  const hasSteps = sloSteps(slos).length > 0;
  const legend: LegendItem[] = arms.map(({ name }) => ({ role: name, text: name }));
  if (hasSteps) legend.push({ role: 'slo', text: 'SLO', shape: 'thin' });
  return {
    id: 'spectrum',
    title: byMedium('Response time', 'Latency'),
    short: 'Response time',
    blocks: [
      intro(
        `From the instant an operation was scheduled to its whole answer, over the judged phases. ${hasSteps ? 'A curve must stay below the steps of the SLOs. It' : 'A curve'} is dotted where the samples are too few for the percentile.`,
      ),
      {
        kind: 'chart',
        legend,
        chart: () => spectrumChart(arms),
        caption: [
          'Percentile spectrum: the share of operations that were at most this slow.',
          asides,
        ],
        beside: { block: latencyTable(arms), isBelow: arms.length > 2 },
      },
      operationDetails(arms),
    ],
  };
}

function latencyTable(arms: readonly NamedArm[]): Table {
  const columns = arms.map(({ arm }) => formatLatencyRows(arm.latency));
  const percentiles = columns[0]!.map(({ label }, index) => [
    label,
    ...columns.map((column) => percentileCell(column[index]!.text)),
  ]);
  const total = (label: Inline, pick: (arm: NamedArm['arm']) => string): TableRow => {
    return { cells: [label, ...arms.map(({ arm }) => pick(arm))], isTotal: true };
  };
  const served = total('service time, mean', ({ serviceTime: { count, meanUs } }) =>
    count === 0 ? 'no data' : formatDuration(meanUs),
  );
  const titles = arms.map(({ name }) => ({ title: name, arm: name, isNumeric: true }));
  return table(
    'Response time by arm',
    ['Response time', ...titles],
    [
      ...percentiles,
      total(byMedium('n', 'samples'), ({ latency }) => formatCount(latency.count)),
      total('offered', ({ offeredPerSecond }) => formatRate(offeredPerSecond)),
      total('completed', ({ achievedPerSecond }) => formatRate(achievedPerSecond)),
      total('errors', formatErrors),
      { ...served, media: ['html'] },
      total(byMedium('send lag, p99', 'send lag p99'), ({ lag }) => formatDuration(lag.p99Us)),
    ],
  );
}

/** A missing percentile is muted. */
function percentileCell(text: string): Inline {
  return styled(/\d/.test(text) ? 'value' : 'muted', text);
}

function operationDetails(arms: readonly NamedArm[]) {
  const rows = arms.flatMap(({ name, arm }) =>
    Object.entries(arm.operations).map(([operation, latency]) => {
      const figures = formatLatencyRows(latency).map(({ text }) => text);
      return [operation, name, ...figures, formatCount(latency.count)];
    }),
  );
  const figures = numeric('mean', 'p50', 'p95', 'p99', 'p99.9', 'max', 'n');
  const columns = ['Operation', 'Arm', ...figures];
  const body = table('Response time by operation', columns, rows);
  return rows.length > 0 && onlyFor('html', details('By operation', body));
}
