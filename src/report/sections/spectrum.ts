/** Response time: the percentile spectrum beside its table, and each operation by itself. */
import type { Block, SectionSpec, Table } from '../blocks.ts';
import { intro } from '../blocks.ts';
import { sloSteps, spectrumChart } from '../charts/spectrum.ts';
import { countText, durationText, rateText } from '../format.ts';
import { byMedium, code, type Inline, styled } from '../inline.ts';
import { latencyRows, type NamedArm, objectiveQuantile } from '../rows.ts';
import { errorText } from '../wording.ts';

export const spectrum: SectionSpec = {
  id: 'spectrum',
  render: ({ arms }) => {
    if (arms.every(({ arm }) => arm.latency.count === 0)) return null;
    const slos = arms.flatMap(({ arm }) => arm.slos);
    const notDrawn = slos
      .filter(({ unit, scope }) => unit === 'us' && scope === undefined)
      .map(({ objective }) => objective)
      .filter((objective) => objectiveQuantile(objective) === null);
    const asides = [...new Set(notDrawn)].map(
      (objective): Inline => [' ', code(objective), ' is not a percentile and is not drawn.'],
    );
    const hasSteps = sloSteps(slos).length > 0;
    return {
      title: byMedium({ html: 'Response time', markdown: 'Latency' }),
      short: 'Response time',
      blocks: [
        intro(
          `From the instant an operation was scheduled to its whole answer, over the judged phases. ${hasSteps ? 'A curve must stay under the stair. It' : 'A curve'} is dotted where too few samples lie beyond.`,
        ),
        {
          kind: 'figure',
          legend: [
            ...arms.map(({ name }) => ({ role: name, text: name })),
            ...(hasSteps ? [{ role: 'slo', text: 'SLO', shape: 'thin' } as const] : []),
          ],
          chart: () => spectrumChart(arms),
          caption: [
            'Percentile spectrum: the share of operations that were at most this slow.',
            asides,
          ],
          beside: { block: latencyTable(arms), isBelow: arms.length > 2 },
        },
        operations(arms),
      ],
    };
  },
};

function latencyTable(arms: readonly NamedArm[]): Table {
  const columns = arms.map(({ arm }) => latencyRows(arm.latency));
  const percentiles = (columns[0] ?? []).map(({ label }, index) => ({
    // A missing percentile is not as loud as a number.
    cells: [label, ...columns.map((column) => shownAs(column[index]!.text))],
  }));
  const total = (label: Inline, pick: (arm: NamedArm['arm']) => string) => ({
    cells: [label, ...arms.map(({ arm }) => pick(arm))],
    isTotal: true,
  });
  const served = total('service time, mean', ({ serviceTime }) =>
    serviceTime.count === 0 ? 'no data' : durationText(serviceTime.meanUs),
  );
  return {
    kind: 'table',
    label: 'Response time by arm',
    columns: [
      { title: 'Response time' },
      ...arms.map(({ name }) => ({ title: name, arm: name, isNumeric: true })),
    ],
    rows: [
      ...percentiles,
      total(byMedium({ html: 'n', markdown: 'samples' }), ({ latency }) =>
        countText(latency.count),
      ),
      total('offered', ({ offeredPerSecond }) => rateText(offeredPerSecond)),
      total('completed', ({ achievedPerSecond }) => rateText(achievedPerSecond)),
      total('errors', errorText),
      { ...served, media: ['html'] },
      total(byMedium({ html: 'send lag, p99', markdown: 'send lag p99' }), ({ lag }) =>
        durationText(lag.p99Us),
      ),
    ],
  };
}

function shownAs(text: string): Inline {
  return styled(/\d/.test(text) ? 'value' : 'muted', text);
}

function operations(arms: readonly NamedArm[]): Block | null {
  const rows = arms.flatMap(({ name, arm }) =>
    Object.entries(arm.operations).map(([operation, latency]) => ({
      cells: [
        operation,
        name,
        ...latencyRows(latency).map(({ text }) => text),
        countText(latency.count),
      ],
    })),
  );
  if (rows.length === 0) return null;
  const figures = ['mean', 'p50', 'p95', 'p99', 'p99.9', 'max', 'n'];
  return {
    kind: 'details',
    summary: 'By operation',
    body: {
      kind: 'table',
      label: 'Response time by operation',
      columns: [
        { title: 'Operation' },
        { title: 'Arm' },
        ...figures.map((title) => ({ title, isNumeric: true })),
      ],
      rows,
    },
    media: ['html'],
  };
}
