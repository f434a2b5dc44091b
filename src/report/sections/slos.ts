/** What was promised, what was measured, and what each arm was expected to do. */
import type { SloResult } from '../../sim/result.ts';
import type { Column, ListItem, Run, SectionSpec, Table } from '../blocks.ts';
import { countText, measureText } from '../format.ts';
import { byMedium, code, type Inline, judged, styled } from '../inline.ts';
import { isExcused, type NamedArm, type Row, sloRows } from '../rows.ts';
import { expectationText, itemTone, measured, verdictMark } from '../wording.ts';

export const slos: SectionSpec = {
  id: 'slos',
  render: (run) => {
    const { result, arms } = run;
    const rows = sloRows(arms);
    if (rows.length === 0) return null;
    const table = sloTable(run, rows);
    const reasons = rows.flatMap(({ id, cells }) =>
      cells.flatMap((slo, index): ListItem[] =>
        slo?.reason === undefined ? [] : [{ content: `${arms[index]!.name} ${id}: ${slo.reason}` }],
      ),
    );
    const problems = arms.flatMap((named) =>
      named.arm.slos.flatMap((slo): ListItem[] => {
        const { id, reason } = slo;
        if (reason === undefined || isExcused(result, named, { ...slo, kind: 'slo' })) return [];
        return [{ content: `${named.name} ${id}: ${reason}`, tone: 'doubt', arm: named.name }];
      }),
    );
    return {
      title: byMedium({ html: 'SLOs', markdown: 'Service level objectives' }),
      short: 'SLOs',
      blocks: [
        table,
        { kind: 'arms', arms, media: ['html'] },
        reasons.length > 0 && { kind: 'list', items: reasons, media: ['markdown'] },
      ],
      console: { tables: [table], problems: [{ kind: 'list', items: problems }] },
    };
  },
};

function sloTable({ result, arms }: Run, rows: readonly Row<SloResult>[]): Table {
  const columns: Column[] = [
    { title: byMedium({ html: 'Objective', markdown: 'SLO' }) },
    { title: 'Limit', isOptional: true, media: ['html'] },
    ...arms.flatMap(({ name }): Column[] => [
      { title: name, arm: name },
      { title: 'n', isNumeric: true, media: ['markdown'] },
    ]),
    // Last, so that a narrow terminal cuts this and not a number.
    { title: '', media: ['console'] },
  ];
  const below = (label: string, cellOf: (named: NamedArm) => Inline) => ({
    cells: [styled('faint', label), null, ...arms.flatMap((named) => [cellOf(named), null]), null],
    media: ['console'] as const,
  });
  return {
    kind: 'table',
    label: 'Service level objectives',
    columns,
    rows: [
      ...rows.map(({ item, cells }) => ({
        cells: [
          byMedium({
            html: [code(item.objective), item.scope !== undefined && styled('note', item.scope)],
            console: item.objective,
          }),
          measureText(item.limit, item.unit),
          ...cells.flatMap((slo, index): Inline[] => {
            if (slo === null) return [null, null];
            const tone = itemTone(result, arms[index]!, { ...slo, kind: 'slo' });
            return [sloCell(slo, tone), countText(slo.samples)];
          }),
          styled('faint', item.scope ?? ''),
        ],
      })),
      below('samples', ({ arm }) => styled('faint', `n = ${countText(arm.latency.count)}`)),
      below('verdict', ({ arm }) => {
        if (arm.verdict !== arm.expected) return styled('bad', expectationText(arm));
        return styled('faint', arms.length > 2 ? 'as expected' : `${arm.verdict}, as expected`);
      }),
    ],
  };
}

function sloCell(slo: SloResult, tone: 'good' | 'bad' | 'doubt'): Inline {
  const value = measured(slo);
  return byMedium({
    html: [
      styled('figure', value),
      ' ',
      judged(slo.verdict),
      styled('under', `n = ${countText(slo.samples)}`),
      slo.reason !== undefined && styled('reason', slo.reason),
    ],
    markdown: [judged(slo.verdict), ' ', value],
    console: styled(tone, `${verdictMark(slo.verdict)} ${value}`),
  });
}
