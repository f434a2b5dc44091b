/** The part of the Markdown report that only a drill fills: phases, faults, cost and the checkers' figures. */

import { faultRows } from './fault-rows.ts';
import {
  capitalized,
  countText,
  durationText,
  instantOffsetText,
  measureText,
  percentileText,
  ratioText,
  relativeText,
} from './format.ts';
import { plain, table } from './markdown-text.ts';
import { costRows, figureRows, type NamedArm, phaseRows } from './rows.ts';
import { faultVerdict, verdictMark } from './wording.ts';

export function figuresMarkdown(arms: readonly NamedArm[]): string {
  const rows = figureRows(arms).map(({ item, cells }) => [
    plain(capitalized(item.label)),
    ...cells.map((cell) => (cell === null ? '' : measureText(cell.value, cell.unit))),
  ]);
  return rows.length === 0 ? '' : table(['Measured', ...names(arms)], rows);
}

export function costsMarkdown(arms: readonly NamedArm[]): string | null {
  const base = arms.findIndex(({ name }) => name === 'before');
  const rows = costRows(arms).map(({ item, cells }) => [
    plain(item.label),
    ...cells.map((cell, index) => {
      if (cell === null) return '';
      const factor = index === base ? null : relativeText(cell.value, cells[base]?.value ?? null);
      const value = measureText(cell.value, cell.unit);
      return plain(factor === null ? value : `${value} (${factor})`);
    }),
  ]);
  if (rows.length === 0) return null;
  const note = base < 0 ? '' : 'In brackets, how it compares with before.';
  const found = table(['Per operation', ...names(arms)], rows);
  return ['## Cost per operation', note, found].filter((part) => part !== '').join('\n\n');
}

/** One line for each phase and arm, arms together, so that a phase is read across them. */
export function phasesMarkdown(arms: readonly NamedArm[]): string {
  const rows = phaseRows(arms).flatMap(({ item, cells }, index) =>
    cells.flatMap((phase, arm) => {
      if (phase === null) return [];
      const { load } = phase;
      const title = `${index + 1} ${plain(item.name)}${item.judged ? '' : ' (not judged)'}`;
      const numbers =
        load === null
          ? ['', '', '', '', '0']
          : [
              durationText(load.latency.p50Us),
              percentileText(load.latency.p99Us, 0.99, load.latency.count),
              ratioText(load.errorRatio),
              load.attemptsPerOperation.toFixed(3),
              countText(load.latency.count),
            ];
      return [[title, arms[arm]!.name, ...numbers]];
    }),
  );
  const headers = ['Phase', 'arm', 'p50', 'p99', 'errors', 'requests per operation', 'n'];
  const notes = phaseRows(arms)
    .map(({ item }, index) => `${index + 1}. **${plain(item.name)}**: ${plain(item.note)}`)
    .join('\n');
  return ['## Phases', notes, table(headers, rows, 2)].join('\n\n');
}

export function faultsMarkdown(arms: readonly NamedArm[]): string | null {
  const rows = faultRows(arms).flatMap(({ id, cells }) =>
    cells.flatMap((fault, arm) => {
      if (fault === null) return [];
      const { startUs, endUs, recovery } = fault;
      return [
        [
          plain(id),
          arms[arm]!.name,
          `${verdictMark(faultVerdict(fault))} ${fault.ending}`,
          recovery,
          plain(fault.detail),
          instantOffsetText(startUs),
          instantOffsetText(endUs),
        ],
      ];
    }),
  );
  if (rows.length === 0) return null;
  const notes = new Set(arms.flatMap(({ arm }) => arm.recovery.map(({ note }) => plain(note))));
  const headers = ['Fault', 'arm', 'outcome', 'recovery', 'detail', 'from', 'to'];
  return ['## Faults and recovery', table(headers, rows, 5), ...notes].join('\n\n');
}

function names(arms: readonly NamedArm[]): string[] {
  return arms.map(({ name }) => name);
}
