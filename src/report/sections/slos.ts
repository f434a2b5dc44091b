/** SLOs: limits, measured values, and the expected verdict of each arm. */
import type { SloResult } from '../../sim/result.ts';
import {
  type Column,
  list,
  onlyFor,
  type ReportInput,
  type Section,
  type Table,
  type TableRow,
  table,
} from '../blocks.ts';
import { formatCount, formatMeasure } from '../format.ts';
import { byMedium, type Inline, judged, styled } from '../inline.ts';
import { isExpectedFailure, type NamedArm, sloRows } from '../rows.ts';
import { formatExpectation, formatMeasured, itemTone, verdictMark } from '../wording.ts';

export function slos(run: ReportInput): Section | null {
  const { result, arms } = run;
  const rows = sloRows(arms);
  if (rows.length === 0) return null;
  const objectives = sloTable(run);
  const unknown = rows.flatMap(({ id, cells }) =>
    cells.flatMap((slo, index) => {
      const named = arms[index]!;
      if (slo?.reason === undefined) return [];
      const isProblem = !isExpectedFailure(result, named, { ...slo, kind: 'slo' });
      return [{ text: `${named.name} ${id}: ${slo.reason}`, arm: named.name, isProblem }];
    }),
  );
  const problems = unknown.filter(({ isProblem }) => isProblem);
  return {
    id: 'slos',
    title: byMedium('SLOs', 'Service level objectives'),
    short: 'SLOs',
    blocks: [
      objectives,
      onlyFor('html', { kind: 'arms', arms, failed: result.failed }),
      onlyFor('markdown', list(unknown.map(({ text }) => [text]))),
    ],
    console: {
      tables: [objectives],
      problems: [list(problems.map(({ text, arm }) => [styled('doubt', text), arm]))],
    },
  };
}

function sloTable({ result, arms }: ReportInput): Table {
  const columns: Column[] = [
    { title: byMedium('Objective', 'SLO') },
    { title: 'Limit', isOptional: true, media: ['html'] },
    ...arms.flatMap(({ name }): Column[] => [
      { title: name, arm: name },
      { title: 'n', isNumeric: true, media: ['markdown'] },
    ]),
    // Last, because a narrow terminal cuts the last column.
    { title: '', media: ['console'] },
  ];
  const below = (label: string, cellOf: (named: NamedArm) => Inline): TableRow => ({
    cells: [styled('faint', label), null, ...arms.flatMap((named) => [cellOf(named), null]), null],
    media: ['console'],
  });
  const rows = sloRows(arms).map(({ item: { objective, scope, limit, unit }, cells }) => [
    byMedium(
      [styled('code', objective), scope !== undefined && styled('note', scope)],
      undefined,
      objective,
    ),
    formatMeasure(limit, unit),
    ...cells.flatMap((slo, index): Inline[] => {
      if (slo === null) return [null, null];
      const tone = itemTone(result, arms[index]!, { ...slo, kind: 'slo' });
      return [sloCell(slo, tone), formatCount(slo.samples)];
    }),
    styled('faint', scope),
  ]);
  return table('Service level objectives', columns, [
    ...rows,
    below('samples', ({ arm }) => styled('faint', `n = ${formatCount(arm.latency.count)}`)),
    below('verdict', (named) => {
      const text = formatExpectation(named, result.failed);
      if (!text.endsWith(', as expected')) return styled('bad', text);
      return styled('faint', arms.length > 2 ? 'as expected' : `${named.arm.verdict}, as expected`);
    }),
  ]);
}

function sloCell(slo: SloResult, tone: 'good' | 'bad' | 'doubt'): Inline {
  const [value, verdict] = [formatMeasured(slo), judged(slo.verdict)];
  const samples = styled('under', `n = ${formatCount(slo.samples)}`);
  const reason = slo.reason !== undefined && styled('reason', slo.reason);
  return byMedium(
    [styled('figure', value), ' ', verdict, samples, reason],
    [verdict, ' ', value],
    styled(tone, `${verdictMark(slo.verdict)} ${value}`),
  );
}
