/** The documented incident beside the reproduced one. */
import { intro, type ReportInput, type Section, table } from '../blocks.ts';
import { byMedium, judged, styled } from '../inline.ts';
import { documentedRows } from '../rows.ts';
import { formatBand, formatFigure, toneOf, verdictMark } from '../wording.ts';

const words = { pass: 'same incident', fail: 'not the same', unknown: 'unknown' } as const;

export function documented({ arms }: ReportInput): Section | null {
  const figures = documentedRows(arms);
  if (figures.length === 0) return null;
  const columns = [
    { title: byMedium('Figure', 'Figure', 'documented') },
    { title: byMedium('Documented', 'documented', 'reported'), isNumeric: true },
    { title: byMedium('Reproduced', 'reproduced'), isNumeric: true },
    { title: byMedium('Accepted band', 'accepted band', 'accepted'), isNumeric: true },
    { title: 'Verdict', media: ['html', 'markdown'] as const },
  ];
  const rows = figures.map((figure) => {
    const { label, arm, verdict } = figure;
    const reproduced = formatFigure(figure, figure.reproduced);
    const band = formatBand(figure);
    return [
      byMedium([`${label} `, styled('muted', `(${arm})`)], undefined, label),
      formatFigure(figure, figure.documented),
      byMedium(
        styled('value', reproduced),
        reproduced,
        styled(toneOf(verdict), `${verdictMark(verdict)} ${reproduced}`),
      ),
      byMedium(band, band, styled('faint', band)),
      judged(verdict, words[verdict]),
    ];
  });
  const found = table('Documented and reproduced figures', columns, rows);
  return {
    id: 'documented',
    title: 'Documented and reproduced',
    short: 'Documented',
    blocks: [
      intro(
        'The figures of the incident report beside those of this run. A figure outside its band means that the run did not reproduce the incident.',
      ),
      found,
    ],
    console: { tables: [found] },
  };
}
