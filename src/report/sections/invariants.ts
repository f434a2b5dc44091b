/** Invariants with their witnesses, and the figures that the checkers measured. */
import type { InvariantResult } from '../../sim/result.ts';
import {
  armColumns,
  type Block,
  details,
  list,
  type MatrixCell,
  numeric,
  pairs,
  type ReportInput,
  type Section,
  type Table,
  table,
} from '../blocks.ts';
import { capitalize, formatCount, formatMeasure, formatRatio } from '../format.ts';
import { byMedium, type Inline, judged, styled } from '../inline.ts';
import { figureRows, invariantRows, type NamedArm } from '../rows.ts';
import { itemTone } from '../wording.ts';

export function invariants({ result, arms }: ReportInput): Section | null {
  const rows = invariantRows(arms);
  if (rows.length === 0) return null;
  const figures = figureTable(arms);
  const held = arms.map(({ name }, index) => {
    const cells = rows.flatMap(({ cells: all }) => all[index] ?? []);
    const passed = cells.filter((cell) => cell.verdict === 'pass').length;
    return `${name} ${passed} of ${cells.length} hold`;
  });
  const problems = arms.flatMap((named) =>
    named.arm.invariants
      .filter(({ verdict }) => verdict !== 'pass')
      .map((item) => {
        const found = `${formatCount(item.violations)} violations in ${formatCount(item.checked)} checked`;
        const text = `${named.name} ${item.id}: ${item.statement} ${item.reason ?? found}`;
        const tone = itemTone(result, named, { ...item, kind: 'invariant' });
        return [styled(tone, text), named.name] as const;
      }),
  );
  return {
    id: 'invariants',
    title: 'Invariants',
    blocks: [
      {
        kind: 'matrix',
        label: 'Invariants',
        title: byMedium('Statement', 'Invariant'),
        arms,
        fields: [{ title: 'Verdict' }, ...numeric('Checked', 'Violations')],
        items: rows.map(({ item, cells }) => ({
          head: [item.statement, describePlanted(item)],
          cells: cells.map(invariantCell),
        })),
      },
      figures,
      ...rows.flatMap(({ cells }) =>
        cells.map((cell, index) => witnessDetails(cell, arms[index]!.name)),
      ),
    ],
    console: {
      tables: [figures],
      facts: [pairs([['invariants', held.join(', ')]])],
      problems: [list(problems)],
    },
  };
}

function describePlanted({ planted }: InvariantResult): Inline {
  if (planted === undefined) return null;
  const { caught, planted: all } = planted;
  const text = `its checker catches ${formatCount(caught)} of ${formatCount(all)} planted defects`;
  return byMedium(styled('under', text), ` (${text})`);
}

function invariantCell(cell: InvariantResult | null): MatrixCell | null {
  if (cell === null) return null;
  const verdict = judged(cell.verdict);
  const [checked, found] = [formatCount(cell.checked), formatCount(cell.violations)];
  const counts = `${checked} checked, ${found} ${cell.violations === 1 ? 'violation' : 'violations'}`;
  const { detectableRate: rate } = cell;
  const detectable =
    rate !== undefined && styled('under', `over ${formatRatio(rate)} would have been seen`);
  const reason = cell.reason !== undefined && styled('reason', cell.reason);
  return {
    shown: [verdict, styled('under', counts), detectable, reason],
    fields: [verdict, checked, found],
  };
}

function figureTable(arms: readonly NamedArm[]): Table {
  const columns = [{ title: byMedium('Measured', 'Measured', 'measured') }, ...armColumns(arms)];
  const rows = figureRows(arms).map(({ item: { label }, cells }) => [
    byMedium(capitalize(label), undefined, label),
    ...cells.map((cell) => cell && styled('value', formatMeasure(cell.value, cell.unit))),
  ]);
  return table('Figures by arm', columns, rows);
}

function witnessDetails(cell: InvariantResult | null, arm: string): Block | null {
  if (cell === null || cell.witness.length === 0) return null;
  const summary = byMedium(
    `Witnesses of ${cell.id} in ${arm}: ${formatCount(cell.witness.length)}`,
    `Witness of ${cell.id} in ${arm}:`,
  );
  const text = cell.witness.map((item) => JSON.stringify(item)).join('\n');
  return details(summary, { kind: 'code', text }, cell.verdict === 'fail');
}
