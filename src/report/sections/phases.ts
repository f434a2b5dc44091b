/** Response time and errors of each phase, for each arm. */
import type { PhaseSummary } from '../../sim/result.ts';
import {
  intro,
  list,
  type MatrixCell,
  numeric,
  onlyFor,
  type ReportInput,
  type Section,
} from '../blocks.ts';
import { formatCount, formatDuration, formatPercentile, formatRatio } from '../format.ts';
import { byMedium, type Inline, styled } from '../inline.ts';
import { hasSeveralJudgedPhases, type NamedArm, phaseRows } from '../rows.ts';
import { formatAttempts, formatFaultNames } from '../wording.ts';

export function phases({ arms }: ReportInput): Section | null {
  if (!hasSeveralJudgedPhases(arms)) return null;
  const rows = phaseRows(arms);
  const notes = rows.map(({ item }) => [[styled('strong', item.name), ': ', item.note]] as const);
  return {
    id: 'phases',
    title: 'Phases',
    blocks: [
      intro(
        'Response time and errors of the operations scheduled in each phase. A retry belongs to its operation: the time runs until the last answer, and only the last outcome counts.',
      ),
      onlyFor('markdown', list(notes, true)),
      {
        kind: 'matrix',
        label: 'Phases by arm',
        title: 'Phase',
        about: 'p99, p50, errors',
        arms,
        missing: 'not reached',
        fields: numeric('p50', 'p99', 'errors', 'requests per operation', 'n'),
        items: rows.map(({ item, cells }, index) => ({
          head: phaseHead(item, index + 1, faultsWithin(arms, item.name)),
          cells: cells.map(phaseCell),
        })),
      },
    ],
  };
}

function phaseHead(
  { name, note, judged }: PhaseSummary,
  position: number,
  faults: string[],
): Inline {
  const aside = !judged && styled('aside', 'not judged');
  const within = faults.length > 0 && styled('note', `fault: ${formatFaultNames(faults)}`);
  return byMedium(
    [
      styled('muted', String(position)),
      ' ',
      styled('strong', name),
      aside && [' ', aside],
      styled('optional', note),
      within,
    ],
    [`${position} ${name}`, aside],
  );
}

/** Faults that took effect in a phase, except one with the same name. */
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

function phaseCell(phase: PhaseSummary | null): MatrixCell | null {
  if (phase === null) return null;
  const { load } = phase;
  if (load === null) return { shown: styled('muted', 'no load'), fields: ['', '', '', '', '0'] };
  const { latency, errorRatio, attemptsPerOperation } = load;
  const p50 = formatDuration(latency.p50Us);
  const p99 = formatPercentile(latency.p99Us, 0.99, latency.count);
  const ratio = formatRatio(errorRatio);
  const errors = errorRatio === 0 ? 'no errors' : styled('alarm', `${ratio} errors`);
  const retries = formatAttempts(load);
  const under = styled('under', [errors, retries !== '' && `, ${retries}`]);
  return {
    shown: [styled('figure', p99), styled('aside', `p50 ${p50}`), under],
    fields: [p50, p99, ratio, attemptsPerOperation.toFixed(3), formatCount(latency.count)],
  };
}
