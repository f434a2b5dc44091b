/** The conditions that a run must meet before its numbers count. */
import type { ValidityCheck } from '../../sim/result.ts';
import {
  armColumns,
  type Column,
  intro,
  list,
  type ReportInput,
  type Section,
  table,
} from '../blocks.ts';
import { byMedium, type Inline, styled } from '../inline.ts';
import { validityRows } from '../rows.ts';
import { validityMark } from '../wording.ts';

export function validity({ arms }: ReportInput): Section | null {
  const checks = validityRows(arms);
  if (checks.length === 0) return null;
  const problems = arms.flatMap(({ name, arm }) =>
    arm.validity
      .filter(({ ok }) => !ok)
      .map(({ statement, measured, limit, severity }) => {
        const text = `${name}: condition not met: ${statement.replace(/\.$/, '')} (${measured}, limit ${limit})`;
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
      intro('The conditions that the run must meet before its numbers count.'),
      table('Validity checks', columns, rows),
    ],
    console: { problems: [list(problems)] },
  };
}

function checkCell(check: ValidityCheck): Inline {
  const verdict = check.ok ? 'pass' : check.severity === 'warn' ? 'unknown' : 'fail';
  return [{ verdict, mark: validityMark(check), word: '' }, ` ${check.measured}`];
}
