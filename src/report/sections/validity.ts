/** Why the numbers may be believed: conditions the run itself must meet. */
import type { ValidityCheck } from '../../sim/result.ts';
import { armColumns, type Column, intro, list, type Run, type Section, table } from '../blocks.ts';
import { byMedium, type Inline, styled } from '../inline.ts';
import { validityRows } from '../rows.ts';
import { validityMark } from '../wording.ts';

export function validity({ arms }: Run): Section | null {
  const checks = validityRows(arms);
  if (checks.length === 0) return null;
  const problems = arms.flatMap(({ name, arm }) =>
    arm.validity
      .filter(({ ok }) => !ok)
      .map(({ statement, measured, limit, severity }) => {
        const text = `${name}: ${statement.replace(/\.$/, '')}: no, ${measured} (limit ${limit})`;
        return [styled(severity === 'warn' ? 'faint' : 'doubt', text), name] as const;
      }),
  );
  const columns: (Column | string)[] = [
    { title: byMedium('Condition', 'Check') },
    'Limit',
    ...armColumns(arms),
    { title: 'If it fails', media: ['html'] },
  ];
  const rows = checks.map(({ item: { statement, limit, severity }, cells }) => {
    const effect = severity === 'warn' ? 'shown only' : 'the verdict is unknown';
    return [statement, limit, ...cells.map((cell) => cell && checkCell(cell)), effect];
  });
  return {
    id: 'validity',
    title: 'Validity',
    blocks: [
      intro('Conditions the run itself must meet before its numbers mean anything.'),
      table('Validity checks', columns, rows),
    ],
    console: { problems: [list(problems)] },
  };
}

function checkCell(check: ValidityCheck): Inline {
  const verdict = check.ok ? 'pass' : check.severity === 'warn' ? 'unknown' : 'fail';
  return [{ verdict, mark: validityMark(check), word: '' }, ` ${check.measured}`];
}
