/** What must hold of the history, with a witness where it does not, and what the checkers measured on the way. */
import type { InvariantResult } from '../../sim/result.ts';
import {
  armColumns,
  type Block,
  type Cell,
  type ListItem,
  type Run,
  type SectionSpec,
} from '../blocks.ts';
import { capitalized, countText, measureText } from '../format.ts';
import { byMedium, judged, styled } from '../inline.ts';
import { figureRows, invariantRows, type NamedArm } from '../rows.ts';
import { itemTone } from '../wording.ts';

export const invariants: SectionSpec = {
  id: 'invariants',
  render: (run) => {
    const { arms } = run;
    const rows = invariantRows(arms);
    if (rows.length === 0) return null;
    const figures = figureTable(arms);
    const held = arms.map(({ name }, index) => {
      const cells = rows.flatMap(({ cells: all }) => all[index] ?? []);
      const passed = cells.filter((cell) => cell.verdict === 'pass').length;
      return `${name} ${passed} of ${cells.length} hold`;
    });
    return {
      title: 'Invariants',
      blocks: [
        {
          kind: 'matrix',
          label: 'Invariants',
          title: byMedium({ html: 'Statement', markdown: 'Invariant' }),
          arms,
          fields: [
            { title: 'Verdict' },
            { title: 'Checked', isNumeric: true },
            { title: 'Violations', isNumeric: true },
          ],
          items: rows.map(({ item, cells }) => ({
            head: item.statement,
            cells: cells.map(invariantCell),
          })),
        },
        figures,
        ...rows.flatMap(({ cells }) =>
          cells.map((cell, index) => cell && witness(cell, arms[index]!.name)),
        ),
      ],
      console: {
        tables: [figures],
        facts: [{ kind: 'pairs', pairs: [{ label: 'invariants', content: held.join(', ') }] }],
        problems: [{ kind: 'list', items: violations(run) }],
      },
    };
  },
};

function invariantCell(cell: InvariantResult | null): Cell | null {
  if (cell === null) return null;
  const checked = countText(cell.checked);
  const found = countText(cell.violations);
  return {
    shown: [
      judged(cell.verdict),
      styled(
        'under',
        `${checked} checked, ${found} ${cell.violations === 1 ? 'violation' : 'violations'}`,
      ),
      cell.reason !== undefined && styled('reason', cell.reason),
    ],
    fields: [judged(cell.verdict), checked, found],
  };
}

/** The numbers the checkers measured, beside the verdicts they gave. */
function figureTable(arms: readonly NamedArm[]): Block | null {
  const rows = figureRows(arms);
  if (rows.length === 0) return null;
  return {
    kind: 'table',
    label: 'Figures by arm',
    columns: [{ title: byMedium({ html: 'Measured', console: 'measured' }) }, ...armColumns(arms)],
    rows: rows.map(({ item, cells }) => ({
      cells: [
        byMedium({ html: capitalized(item.label), console: item.label }),
        ...cells.map((cell) => cell && styled('value', measureText(cell.value, cell.unit))),
      ],
    })),
  };
}

function witness(cell: InvariantResult, arm: string): Block | null {
  if (cell.witness.length === 0) return null;
  const text = cell.witness.map((item) => JSON.stringify(item)).join('\n');
  return {
    kind: 'details',
    summary: byMedium({
      html: `Witnesses of ${cell.id} in ${arm}: ${countText(cell.witness.length)}`,
      markdown: `Witness of ${cell.id} in ${arm}:`,
    }),
    isOpen: cell.verdict === 'fail',
    body: { kind: 'code', text },
  };
}

function violations({ result, arms }: Run): ListItem[] {
  return arms.flatMap((named) =>
    named.arm.invariants
      .filter(({ verdict }) => verdict !== 'pass')
      .map((item) => {
        const found = `${countText(item.violations)} violations in ${countText(item.checked)} checked`;
        return {
          content: `${named.name} ${item.id}: ${item.statement} ${item.reason ?? found}`,
          tone: itemTone(result, named, { ...item, kind: 'invariant' }),
          arm: named.name,
        };
      }),
  );
}
