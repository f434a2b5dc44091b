/** The documented incident beside the one this run produced. */
import { intro, type SectionSpec, type Table } from '../blocks.ts';
import { byMedium, judged, styled } from '../inline.ts';
import { documentedRows } from '../rows.ts';
import { bandText, figureText, toneOf, verdictMark } from '../wording.ts';

const words = { pass: 'same incident', fail: 'not the same', unknown: 'unknown' } as const;

export const documented: SectionSpec = {
  id: 'documented',
  render: ({ arms }) => {
    const rows = documentedRows(arms);
    if (rows.length === 0) return null;
    const table: Table = {
      kind: 'table',
      label: 'Documented and reproduced figures',
      columns: [
        { title: byMedium({ html: 'Figure', console: 'documented' }) },
        {
          title: byMedium({ html: 'Documented', markdown: 'documented', console: 'reported' }),
          isNumeric: true,
        },
        { title: byMedium({ html: 'Reproduced', markdown: 'reproduced' }), isNumeric: true },
        {
          title: byMedium({
            html: 'Accepted band',
            markdown: 'accepted band',
            console: 'accepted',
          }),
          isNumeric: true,
        },
        { title: 'Verdict', media: ['html', 'markdown'] },
      ],
      rows: rows.map((figure) => {
        const reproduced = figureText(figure, figure.reproduced);
        const mark = verdictMark(figure.verdict);
        return {
          cells: [
            byMedium({
              html: [`${figure.label} `, styled('muted', `(${figure.arm})`)],
              console: figure.label,
            }),
            figureText(figure, figure.documented),
            byMedium({
              html: styled('value', reproduced),
              console: styled(toneOf(figure.verdict), `${mark} ${reproduced}`),
            }),
            byMedium({ html: bandText(figure), console: styled('faint', bandText(figure)) }),
            judged(figure.verdict, words[figure.verdict]),
          ],
        };
      }),
    };
    return {
      title: 'Documented and reproduced',
      short: 'Documented',
      blocks: [
        intro(
          'The incident report beside this run. Outside the band it would be another incident, and nothing learned here would apply.',
        ),
        table,
      ],
      console: { tables: [table] },
    };
  },
};
