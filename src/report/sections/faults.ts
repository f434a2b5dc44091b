/** Every fault with its outcome and the recovery from it. */
import {
  intro,
  type MatrixCell,
  numeric,
  pairs,
  paragraph,
  type ReportInput,
  type Section,
} from '../blocks.ts';
import { type FaultCell, faultRows } from '../fault-rows.ts';
import { formatOffset } from '../format.ts';
import { type Inline, judged, styled } from '../inline.ts';
import { faultVerdict, formatFaults } from '../wording.ts';

export function faults({ arms }: ReportInput): Section | null {
  const rows = faultRows(arms);
  if (rows.length === 0) return null;
  const notes = new Set(arms.flatMap(({ arm }) => arm.recovery.map(({ note }) => note)));
  const facts = arms
    .filter(({ arm }) => arm.faults.length > 0)
    .map((named, index) => [index === 0 ? 'faults' : '', formatFaults(named)] as const);
  return {
    id: 'faults',
    title: 'Faults and recovery',
    short: 'Faults',
    blocks: [
      intro(
        'A probe shows that each fault took effect and that it was undone. Times count from the start of the arm.',
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
  const [from, to] = [formatOffset(fault.startUs), formatOffset(fault.endUs)];
  const parts = recovery === '' ? [] : recovery.split(', ');
  const outcome = judged(faultVerdict(fault), ending);
  const lines = [...parts.map(highlightNever), detail].map((line) => styled('note', line));
  return {
    shown: [outcome, ' ', styled('aside', `${from} to ${to}`), lines],
    fields: [[outcome, ` ${ending}`], recovery, detail, from, to],
  };
}

/** Highlights a recovery that never came. */
function highlightNever(part: string): Inline {
  if (!part.startsWith('never ') || part === 'never detected') return styled('prose', part);
  return [styled('alarm', 'never'), styled('prose', part.slice('never'.length))];
}
