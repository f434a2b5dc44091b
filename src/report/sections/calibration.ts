/** The search for the load that reproduces the documented incident, step by step. */
import { type Column, intro, numeric, type ReportInput, type Section, table } from '../blocks.ts';
import { formatCount, formatDuration, formatPercent } from '../format.ts';

export function calibration({ arms }: ReportInput): Section | null {
  const rows = arms.flatMap(({ name, arm }) =>
    arm.calibration.map(({ users, cpuPercent, meanUs, note }, index) => {
      const figures = [formatCount(users), formatPercent(cpuPercent), formatDuration(meanUs)];
      return [`${name}, step ${index + 1}`, name, note, ...figures, note];
    }),
  );
  if (rows.length === 0) return null;
  const columns: Column[] = [
    { title: 'Step', media: ['html'] },
    { title: 'Arm', media: ['markdown'] },
    { title: 'Note', media: ['markdown'] },
    ...numeric('Users', 'Database CPU', 'Mean'),
    { title: 'Outcome', media: ['html'] },
  ];
  return {
    id: 'calibration',
    title: 'Calibration',
    blocks: [
      intro(
        'The search for the population that loads the database as documented. Open arrivals do not repeat near saturation; a finite population with think time does.',
      ),
      table('Calibration steps', columns, rows),
    ],
  };
}
