/** Every fault with its end and the recovery from it. */
import { type Cell, intro, type Pair, type SectionSpec } from '../blocks.ts';
import { type FaultCell, faultRows } from '../fault-rows.ts';
import { instantOffsetText } from '../format.ts';
import { type Inline, judged, styled } from '../inline.ts';
import { faultsText, faultVerdict } from '../wording.ts';

export const faults: SectionSpec = {
  id: 'faults',
  render: ({ arms }) => {
    const rows = faultRows(arms);
    if (rows.length === 0) return null;
    const notes = new Set(arms.flatMap(({ arm }) => arm.recovery.map(({ note }) => note)));
    const told = arms
      .filter(({ arm }) => arm.faults.length > 0)
      .map(
        (named, index): Pair => ({
          label: index === 0 ? 'faults' : '',
          content: faultsText(named),
        }),
      );
    return {
      title: 'Faults and recovery',
      short: 'Faults',
      blocks: [
        intro(
          'Every fault is applied, seen to take effect, undone, and proven undone by a probe. Times are from the start of the arm.',
        ),
        {
          kind: 'matrix',
          label: 'Faults by arm',
          title: 'Fault',
          arms,
          missing: styled('muted', 'not reached'),
          fields: [
            ...['Outcome', 'Recovery', 'Detail'].map((title) => ({ title })),
            ...['From', 'To'].map((title) => ({ title, isNumeric: true })),
          ],
          items: rows.map(({ id, cells }) => ({ head: id, cells: cells.map(faultCell) })),
        },
        ...[...notes].map((content) => ({ kind: 'paragraph', style: 'below', content }) as const),
      ],
      console: { facts: [{ kind: 'pairs', pairs: told }] },
    };
  },
};

function faultCell(fault: FaultCell | null): Cell | null {
  if (fault === null) return null;
  const { ending, detail, recovery } = fault;
  const from = instantOffsetText(fault.startUs);
  const to = instantOffsetText(fault.endUs);
  const parts = recovery === '' ? [] : recovery.split(', ');
  const outcome = judged(faultVerdict(fault), ending);
  return {
    shown: [
      outcome,
      ' ',
      styled('aside', `${from} to ${to}`),
      parts.map((part) => styled('note', never(part))),
      styled('note', detail),
    ],
    fields: [[outcome, ` ${ending}`], recovery, detail, from, to],
  };
}

/** What never came must not be overlooked between numbers. */
function never(part: string): Inline {
  if (part.startsWith('detected') || !part.endsWith('never')) return styled('prose', part);
  return [styled('prose', part.replace(/never$/, '')), styled('alarm', 'never')];
}
