/** Why the numbers may be believed: conditions the run itself must meet. */
import type { ValidityCheck } from '../../sim/result.ts';
import { armColumns, intro, type ListItem, type SectionSpec } from '../blocks.ts';
import { byMedium, type Inline } from '../inline.ts';
import { validityRows } from '../rows.ts';
import { validityMark } from '../wording.ts';

export const validity: SectionSpec = {
  id: 'validity',
  render: ({ arms }) => {
    const rows = validityRows(arms);
    if (rows.length === 0) return null;
    const problems = arms.flatMap(({ name, arm }) =>
      arm.validity
        .filter(({ ok }) => !ok)
        .map(
          (check): ListItem => ({
            content: `${name}: ${check.statement.replace(/\.$/, '')}: no, ${check.measured} (limit ${check.limit})`,
            tone: check.severity === 'warn' ? 'faint' : 'doubt',
            arm: name,
          }),
        ),
    );
    return {
      title: 'Validity',
      blocks: [
        intro('Conditions the run itself must meet before its numbers mean anything.'),
        {
          kind: 'table',
          label: 'Validity checks',
          columns: [
            { title: byMedium({ html: 'Condition', markdown: 'Check' }) },
            { title: 'Limit' },
            ...armColumns(arms),
            { title: 'If it fails', media: ['html'] },
          ],
          rows: rows.map(({ item, cells }) => ({
            cells: [
              item.statement,
              item.limit,
              ...cells.map((cell) => cell && checkCell(cell)),
              item.severity === 'warn' ? 'shown only' : 'the verdict is unknown',
            ],
          })),
        },
      ],
      console: { problems: [{ kind: 'list', items: problems }] },
    };
  },
};

function checkCell(check: ValidityCheck): Inline {
  const verdict = check.ok ? 'pass' : check.severity === 'warn' ? 'unknown' : 'fail';
  return [{ verdict, mark: validityMark(check), word: '' }, ` ${check.measured}`];
}
