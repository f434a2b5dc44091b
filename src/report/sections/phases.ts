/** Every phase judged, arm beside arm. */
import type { PhaseSummary } from '../../sim/result.ts';
import { type Cell, intro, type SectionSpec } from '../blocks.ts';
import { countText, durationText, percentileText, ratioText } from '../format.ts';
import { byMedium, type Inline, strong, styled } from '../inline.ts';
import { isPhased, type NamedArm, phaseRows } from '../rows.ts';
import { attemptsText, together } from '../wording.ts';

export const phases: SectionSpec = {
  id: 'phases',
  render: ({ arms }) => {
    if (!isPhased(arms)) return null;
    const rows = phaseRows(arms);
    return {
      title: 'Phases',
      blocks: [
        intro(
          'Response time and errors of the operations scheduled in each phase. A retry belongs to its operation: the time runs until the last answer, and only the last outcome counts.',
        ),
        {
          kind: 'list',
          isOrdered: true,
          items: rows.map(({ item }) => ({ content: [strong(item.name), ': ', item.note] })),
          media: ['markdown'],
        },
        {
          kind: 'matrix',
          label: 'Phases by arm',
          title: 'Phase',
          about: 'p99, p50, errors',
          arms,
          missing: styled('muted', 'not reached'),
          fields: ['p50', 'p99', 'errors', 'requests per operation', 'n'].map((title) => ({
            title,
            isNumeric: true,
          })),
          items: rows.map(({ item, cells }, index) => ({
            head: head(item, index + 1, faultsWithin(arms, item.name)),
            cells: cells.map(phaseCell),
          })),
        },
      ],
    };
  },
};

function head(item: PhaseSummary, position: number, faults: readonly string[]): Inline {
  return byMedium({
    html: [
      styled('muted', String(position)),
      ' ',
      strong(item.name),
      !item.judged && [' ', styled('aside', 'not judged')],
      styled('optional', item.note),
      faults.length > 0 && styled('note', `fault: ${together(faults)}`),
    ],
    markdown: [`${position} ${item.name}`, !item.judged && styled('aside', 'not judged')],
  });
}

/** Faults that took effect in a phase, unless the phase is called after them. */
function faultsWithin(arms: readonly NamedArm[], phase: string): string[] {
  const found = arms.flatMap(({ arm }) => {
    const span = arm.phases.find(({ name }) => name === phase);
    if (span === undefined) return [];
    return arm.faults
      .filter(({ startUs }) => startUs >= span.startUs && startUs < span.endUs)
      .map(({ name }) => name)
      .filter((name) => name !== phase);
  });
  return [...new Set(found)];
}

function phaseCell(phase: PhaseSummary | null): Cell | null {
  if (phase === null) return null;
  const { load } = phase;
  if (load === null) {
    return { shown: styled('muted', 'no load'), fields: [null, null, null, null, '0'] };
  }
  const { latency, errorRatio, attemptsPerOperation } = load;
  const p50 = durationText(latency.p50Us);
  const p99 = percentileText(latency.p99Us, 0.99, latency.count);
  const errors = ratioText(errorRatio);
  const retries = attemptsText(load);
  return {
    shown: [
      styled('figure', p99),
      styled('aside', `p50 ${p50}`),
      styled('under', [
        errorRatio === 0 ? 'no errors' : styled('alarm', `${errors} errors`),
        retries !== '' && `, ${retries}`,
      ]),
    ],
    fields: [p50, p99, errors, attemptsPerOperation.toFixed(3), countText(latency.count)],
  };
}
