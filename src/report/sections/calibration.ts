/** The search for the load that reproduces the documented incident, step by step. */
import { intro, type SectionSpec } from '../blocks.ts';
import { countText, durationText, percentText } from '../format.ts';

export const calibration: SectionSpec = {
  id: 'calibration',
  render: ({ arms }) => {
    const rows = arms.flatMap(({ name, arm }) =>
      arm.calibration.map(({ users, cpuPercent, meanUs, note }, index) => ({
        cells: [
          `${name}, step ${index + 1}`,
          name,
          note,
          countText(users),
          percentText(cpuPercent),
          durationText(meanUs),
          note,
        ],
      })),
    );
    if (rows.length === 0) return null;
    return {
      title: 'Calibration',
      blocks: [
        intro(
          'The search for the population that loads the database as documented. Open arrivals do not repeat near saturation; a finite population with think time does.',
        ),
        {
          kind: 'table',
          label: 'Calibration steps',
          columns: [
            { title: 'Step', media: ['html'] },
            { title: 'Arm', media: ['markdown'] },
            { title: 'Note', media: ['markdown'] },
            { title: 'Users', isNumeric: true },
            { title: 'Database CPU', isNumeric: true },
            { title: 'Mean', isNumeric: true },
            { title: 'Outcome', media: ['html'] },
          ],
          rows,
        },
      ],
    };
  },
};
