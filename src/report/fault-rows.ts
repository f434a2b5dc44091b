/**
 * Faults as every format shows them: one row each, or one for all of a family, when a phase applies dozens of one
 * kind. What is told of many is how often, the median and the worst.
 */
import type { ArmResult, FaultSummary, RecoveryResult } from '../sim/result.ts';
import { countText, durationText } from './format.ts';
import { type NamedArm, type Row, rowsById } from './rows.ts';
import { isOvertaken, recoveryText } from './wording.ts';

/** One fault, or a family from its first to its last; one that stands alone in its family is told by itself. */
export interface FaultCell extends FaultSummary {
  /** `healed`, or `69 of 70 healed`. */
  readonly ending: string;
  /** `detected after 1.2 s, back in tolerance after 3.4 s, drained never`. */
  readonly recovery: string;
}

export function faultRows(arms: readonly NamedArm[]): Row<FaultCell>[] {
  return rowsById(
    arms.map(({ arm }) => faultCells(arm)),
    ({ name }) => name,
  );
}

export function faultCells({ faults, recovery }: ArmResult): FaultCell[] {
  const families = new Map<string, FaultSummary[]>();
  for (const fault of faults) {
    const name = fault.family ?? fault.name;
    const known = families.get(name);
    if (known === undefined) families.set(name, [fault]);
    else known.push(fault);
  }
  const byFault = new Map(recovery.map((one) => [one.fault, one]));
  return [...families].map(([name, of]) => {
    const recoveries = of.flatMap((fault) => byFault.get(fault.name) ?? []);
    const [only, ...more] = of;
    return more.length === 0
      ? { ...only!, name, ending: only!.outcome, recovery: recoveries.map(recoveryText).join('') }
      : familyCell(name, of, recoveries);
  });
}

function familyCell(
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
        ? `${countText(faults.length)} healed`
        : `${countText(faults.length - open.length)} of ${countText(faults.length)} healed`,
    detail:
      open.length === 0 ? `${countText(faults.length)} times` : `${worst.name}: ${worst.detail}`,
    recovery: [
      // No alert was due: that is known whenever the next fault comes.
      spreadText('detected', recoveries, ({ detectUs }) => detectUs, false),
      spreadText('back in tolerance', recoveries, ({ recoverUs }) => recoverUs),
      spreadText('drained', recoveries, ({ drainUs }) => drainUs),
    ].join(', '),
  };
}

/** `back in tolerance 69 of 72 (median 310 ms; worst 1.2 s; 2 not shown before the next fault 900 ms to 1.3 s later; 1 never)`. */
function spreadText(
  what: string,
  recoveries: readonly RecoveryResult[],
  usOf: (recovery: RecoveryResult) => number | null,
  mayBeOvertaken = true,
): string {
  const known = recoveries.flatMap((one) => usOf(one) ?? []).sort((a, b) => a - b);
  const open = recoveries.filter((one) => usOf(one) === null);
  const overtaken = mayBeOvertaken ? open.filter(isOvertaken) : [];
  const never = open.length - overtaken.length;
  if (never === recoveries.length) return `${what} never`;
  const notShown = `not shown before the next fault ${laterText(overtaken)}`;
  if (overtaken.length === recoveries.length) return `${what} ${notShown}`;
  const often = `${countText(known.length)} of ${countText(recoveries.length)}`;
  const told = [
    ...(known.length === 0
      ? []
      : [
          `median ${lengthText(known[(known.length - 1) >> 1]!)}; worst ${lengthText(known.at(-1)!)}`,
        ]),
    ...(overtaken.length === 0 ? [] : [`${countText(overtaken.length)} ${notShown}`]),
    ...(never === 0 || overtaken.length === 0 ? [] : [`${countText(never)} never`]),
  ];
  return `${what} ${often} (${told.join('; ')})`;
}

function lengthText(us: number): string {
  return us <= 0 ? 'at once' : durationText(us);
}

/** `900 ms to 1.3 s later`: how long each of them was watched. */
function laterText(recoveries: readonly RecoveryResult[]): string {
  const watched = recoveries.map(({ watchedUs = 0 }) => watchedUs);
  const [least, most] = [Math.min(...watched), Math.max(...watched)].map(durationText);
  return least === most ? `${least} later` : `${least} to ${most} later`;
}
