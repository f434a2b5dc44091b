/**
 * Rows of faults: one for each, or one for a family when a phase applies dozens of a kind. A family shows a count, the
 * median and the worst.
 */
import type { ArmResult, FaultSummary, RecoveryResult } from '../sim/result.ts';
import { formatCount, formatDuration } from './format.ts';
import { type NamedArm, type Row, rowsById } from './rows.ts';
import { formatRecovery, isEndedByNextFault } from './wording.ts';

/** One fault, or a family of several from its first to its last. */
export interface FaultCell extends FaultSummary {
  /** `healed`, or `69 of 70 healed`. */
  readonly ending: string;
  /** `detected after 1.2 s, back in tolerance after 3.4 s, never drained`. */
  readonly recovery: string;
}

export function faultRows(arms: readonly NamedArm[]): Row<FaultCell>[] {
  return rowsById(
    arms.map(({ arm }) => toFaultCells(arm)),
    ({ name }) => name,
  );
}

export function toFaultCells({ faults, recovery }: ArmResult): FaultCell[] {
  const families = new Map<string, FaultSummary[]>();
  for (const fault of faults) {
    const name = fault.family ?? fault.name;
    const known = families.get(name);
    if (known === undefined) families.set(name, [fault]);
    else known.push(fault);
  }
  const byFault = new Map(recovery.map((entry) => [entry.fault, entry]));
  return [...families].map(([name, members]) => {
    const recoveries = members.flatMap((fault) => byFault.get(fault.name) ?? []);
    const [only, ...more] = members;
    return more.length === 0
      ? { ...only!, name, ending: only!.outcome, recovery: recoveries.map(formatRecovery).join('') }
      : toFamilyCell(name, members, recoveries);
  });
}

function toFamilyCell(
  name: string,
  faults: readonly FaultSummary[],
  recoveries: readonly RecoveryResult[],
): FaultCell {
  const open = faults.filter(({ outcome }) => outcome !== 'healed');
  const worst = open.find(({ outcome }) => outcome === 'not healed') ?? open[0] ?? faults[0]!;
  return {
    name,
    family: name,
    startUs: faults.reduce((first, { startUs }) => Math.min(first, startUs), faults[0]!.startUs),
    endUs: faults.reduce((last, { endUs }) => Math.max(last, endUs), 0),
    outcome: worst.outcome,
    ending:
      open.length === 0
        ? `${formatCount(faults.length)} healed`
        : `${formatCount(faults.length - open.length)} of ${formatCount(faults.length)} healed`,
    detail:
      open.length === 0 ? `${formatCount(faults.length)} times` : `${worst.name}: ${worst.detail}`,
    recovery: [
      // Whether an alert fired is known also when the next fault ended the observation.
      formatSpread('detected', recoveries, ({ detectUs }) => detectUs, false),
      formatSpread('back in tolerance', recoveries, ({ recoverUs }) => recoverUs),
      formatSpread('drained', recoveries, ({ drainUs }) => drainUs),
    ].join(', '),
  };
}

/** `back in tolerance 69 of 72 (median 310 ms; worst 1.2 s; 2 not shown before the next fault 900 ms to 1.3 s later; 1 never)`. */
function formatSpread(
  what: string,
  recoveries: readonly RecoveryResult[],
  usOf: (recovery: RecoveryResult) => number | null,
  mayBeCutShort = true,
): string {
  const known = recoveries.flatMap((recovery) => usOf(recovery) ?? []).sort((a, b) => a - b);
  const open = recoveries.filter((recovery) => usOf(recovery) === null);
  const cutShort = mayBeCutShort ? open.filter(isEndedByNextFault) : [];
  const never = open.length - cutShort.length;
  if (never === recoveries.length) return `never ${what}`;
  const notShown = `not shown before the next fault ${formatLater(cutShort)}`;
  if (cutShort.length === recoveries.length) return `${what} ${notShown}`;
  const count = `${formatCount(known.length)} of ${formatCount(recoveries.length)}`;
  const parts = [
    ...(known.length === 0
      ? []
      : [
          `median ${formatLength(known[(known.length - 1) >> 1]!)}; worst ${formatLength(known.at(-1)!)}`,
        ]),
    ...(cutShort.length === 0 ? [] : [`${formatCount(cutShort.length)} ${notShown}`]),
    ...(never === 0 || cutShort.length === 0 ? [] : [`${formatCount(never)} never`]),
  ];
  return `${what} ${count} (${parts.join('; ')})`;
}

function formatLength(us: number): string {
  return us <= 0 ? 'at once' : formatDuration(us);
}

/** `900 ms to 1.3 s later`: how long each was observed. */
function formatLater(recoveries: readonly RecoveryResult[]): string {
  const watched = recoveries.map(({ watchedUs = 0 }) => watchedUs);
  const [least, most] = [Math.min(...watched), Math.max(...watched)].map(formatDuration);
  return least === most ? `${least} later` : `${least} to ${most} later`;
}
