/** The documented incident beside the one this run produced. */
import { intro, type Run, type Section, table } from '../blocks.ts';
import { byMedium, judged, styled } from '../inline.ts';
import { documentedRows } from '../rows.ts';
import { bandText, figureText, toneOf, verdictMark } from '../wording.ts';

const words = { pass: 'same incident', fail: 'not the same', unknown: 'unknown' } as const;

export function documented({ arms }: Run): Section | null {
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
    const reproduced = figureText(figure, figure.reproduced);
    const band = bandText(figure);
    return [
      byMedium([`${label} `, styled('muted', `(${arm})`)], undefined, label),
      figureText(figure, figure.documented),
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
        'The incident report beside this run. Outside the band it would be another incident, and nothing learned here would apply.',
      ),
      found,
    ],
    console: { tables: [found] },
  };
}
