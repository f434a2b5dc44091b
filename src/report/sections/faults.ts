/** Every fault with its end and the recovery from it. */
import {
  intro,
  type MatrixCell,
  numeric,
  pairs,
  paragraph,
  type Run,
  type Section,
} from '../blocks.ts';
import { type FaultCell, faultRows } from '../fault-rows.ts';
import { instantOffsetText } from '../format.ts';
import { type Inline, judged, styled } from '../inline.ts';
import { faultsText, faultVerdict } from '../wording.ts';

export function faults({ arms }: Run): Section | null {
  const rows = faultRows(arms);
  if (rows.length === 0) return null;
  const notes = new Set(arms.flatMap(({ arm }) => arm.recovery.map(({ note }) => note)));
  const facts = arms
    .filter(({ arm }) => arm.faults.length > 0)
    .map((named, index) => [index === 0 ? 'faults' : '', faultsText(named)] as const);
  return {
    id: 'faults',
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
        missing: 'not reached',
        fields: [
          ...['Outcome', 'Recovery', 'Detail'].map((title) => ({ title })),
          ...numeric('From', 'To'),
        ],
        items: rows.map(({ id, cells }) => ({ head: id, cells: cells.map(faultCell) })),
      },
      ...[...notes].map((note) => paragraph(note, 'below')),
    ],
    console: { facts: [pairs(facts)] },
  };
}

function faultCell(fault: FaultCell | null): MatrixCell | null {
  if (fault === null) return null;
  const { ending, detail, recovery } = fault;
  const [from, to] = [instantOffsetText(fault.startUs), instantOffsetText(fault.endUs)];
  const parts = recovery === '' ? [] : recovery.split(', ');
  const outcome = judged(faultVerdict(fault), ending);
  const lines = [...parts.map(never), detail].map((line) => styled('note', line));
  return {
    shown: [outcome, ' ', styled('aside', `${from} to ${to}`), lines],
    fields: [[outcome, ` ${ending}`], recovery, detail, from, to],
  };
}

/** What never came must not be overlooked between numbers. */
function never(part: string): Inline {
  if (part.startsWith('detected') || !part.endsWith('never')) return styled('prose', part);
  return [styled('prose', part.replace(/never$/, '')), styled('alarm', 'never')];
}
