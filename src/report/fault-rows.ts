/**
 * Faults as every format shows them: one row each, or one for all of a family, when a phase applies dozens of one
 * kind. What is told of many is how often, the median and the worst.
 */
import type { ArmResult, FaultSummary, RecoveryResult } from '../sim/result.ts';
import { countText, durationText } from './format.ts';
import { type NamedArm, type Row, rowsById } from './rows.ts';
import { recoveryText } from './wording.ts';

/** One fault, or a family from its first to its last. */
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
    return more.length === 0 && only!.family === undefined
      ? { ...only!, ending: only!.outcome, recovery: recoveries.map(recoveryText).join('') }
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
      spreadText(
        'detected',
        recoveries.map(({ detectUs }) => detectUs),
      ),
      spreadText(
        'back in tolerance',
        recoveries.map(({ recoverUs }) => recoverUs),
      ),
      spreadText(
        'drained',
        recoveries.map(({ drainUs }) => drainUs),
      ),
    ].join(', '),
  };
}

/** `back in tolerance 69 of 70 (median 310 ms; worst 1.2 s)`. */
function spreadText(what: string, all: readonly (number | null)[]): string {
  const known = all.filter((us) => us !== null).sort((a, b) => a - b);
  if (known.length === 0) return `${what} never`;
  const often = `${countText(known.length)} of ${countText(all.length)}`;
  const median = known[(known.length - 1) >> 1]!;
  const [middle, worst] = [median, known.at(-1)!].map((us) =>
    us <= 0 ? 'at once' : durationText(us),
  );
  return `${what} ${often} (median ${middle}; worst ${worst})`;
}
