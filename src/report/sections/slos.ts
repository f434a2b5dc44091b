/** What was promised, what was measured, and what each arm was expected to do. */
import type { SloResult } from '../../sim/result.ts';
import {
  type Column,
  list,
  only,
  type Run,
  type Section,
  type Table,
  type TableRow,
  table,
} from '../blocks.ts';
import { countText, measureText } from '../format.ts';
import { byMedium, type Inline, judged, styled } from '../inline.ts';
import { isExcused, type NamedArm, sloRows } from '../rows.ts';
import { expectationText, itemTone, measured, verdictMark } from '../wording.ts';

export function slos(run: Run): Section | null {
  const { result, arms } = run;
  const rows = sloRows(arms);
  if (rows.length === 0) return null;
  const objectives = sloTable(run);
  const unknown = rows.flatMap(({ id, cells }) =>
    cells.flatMap((slo, index) => {
      const named = arms[index]!;
      if (slo?.reason === undefined) return [];
      const isProblem = !isExcused(result, named, { ...slo, kind: 'slo' });
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
      only('html', { kind: 'arms', arms }),
      only('markdown', list(unknown.map(({ text }) => [text]))),
    ],
    console: {
      tables: [objectives],
      problems: [list(problems.map(({ text, arm }) => [styled('doubt', text), arm]))],
    },
  };
}

function sloTable({ result, arms }: Run): Table {
  const columns: Column[] = [
    { title: byMedium('Objective', 'SLO') },
    { title: 'Limit', isOptional: true, media: ['html'] },
    ...arms.flatMap(({ name }): Column[] => [
      { title: name, arm: name },
      { title: 'n', isNumeric: true, media: ['markdown'] },
    ]),
    // Last, so that a narrow terminal cuts this and not a number.
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
    measureText(limit, unit),
    ...cells.flatMap((slo, index): Inline[] => {
      if (slo === null) return [null, null];
      const tone = itemTone(result, arms[index]!, { ...slo, kind: 'slo' });
      return [sloCell(slo, tone), countText(slo.samples)];
    }),
    styled('faint', scope),
  ]);
  return table('Service level objectives', columns, [
    ...rows,
    below('samples', ({ arm }) => styled('faint', `n = ${countText(arm.latency.count)}`)),
    below('verdict', ({ arm }) => {
      if (arm.verdict !== arm.expected) return styled('bad', expectationText(arm));
      return styled('faint', arms.length > 2 ? 'as expected' : `${arm.verdict}, as expected`);
    }),
  ]);
}

function sloCell(slo: SloResult, tone: 'good' | 'bad' | 'doubt'): Inline {
  const [value, verdict] = [measured(slo), judged(slo.verdict)];
  const samples = styled('under', `n = ${countText(slo.samples)}`);
  const reason = slo.reason !== undefined && styled('reason', slo.reason);
  return byMedium(
    [styled('figure', value), ' ', verdict, samples, reason],
    [verdict, ' ', value],
    styled(tone, `${verdictMark(slo.verdict)} ${value}`),
  );
}
