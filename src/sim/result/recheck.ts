/**
 * Runs the checkers of a finished run again on its history and compares the results with the recorded ones. One arm
 * at a time, to bound memory.
 */
import { readHistory } from '../effects/load/engine/read-history.ts';
import type { HistoryRecord } from '../history.ts';
import type { ArmName, InvariantResult, Result, Verdict } from '../result.ts';
import type { Invariant } from '../scenario.ts';

export interface CheckOutcome {
  readonly verdict: Verdict;
  readonly checked: number;
  readonly violations: number;
  /** `revocation-lag 0, sessions-lost 3`; empty for none. */
  readonly figures: string;
}

/** One invariant of one arm: the recorded outcome and the recomputed one; null where one is missing. */
export interface Recheck {
  readonly arm: ArmName;
  readonly invariant: string;
  readonly recorded: CheckOutcome | null;
  readonly found: CheckOutcome | null;
  readonly agrees: boolean;
}

/** Ignores arms that were not judged, as in an aborted run. */
export async function recheck(
  historyFile: string,
  invariants: readonly Invariant[],
  arms: Result['arms'],
): Promise<Recheck[]> {
  const found = new Map<string, readonly InvariantResult[]>();
  let arm: string | null = null;
  let records: HistoryRecord[] = [];
  const judge = () => {
    if (arm === null || !(arm in arms)) return;
    const history = records;
    found.set(
      arm,
      invariants.map(({ id, statement, check }) => ({ id, statement, ...check(history) })),
    );
  };
  for await (const record of readHistory(historyFile)) {
    if (record.kind === 'arm') {
      judge();
      arm = record.arm;
      records = [];
    }
    records.push(record);
  }
  judge();
  return Object.entries(arms).flatMap(([name, { invariants: recorded }]) =>
    compareInvariants(name as ArmName, recorded, found.get(name) ?? []),
  );
}

function compareInvariants(
  arm: ArmName,
  recorded: readonly InvariantResult[],
  found: readonly InvariantResult[],
): Recheck[] {
  const ids = new Set([...recorded, ...found].map(({ id }) => id));
  return [...ids].map((invariant) => {
    const before = outcomeOf(recorded.find(({ id }) => id === invariant));
    const after = outcomeOf(found.find(({ id }) => id === invariant));
    const agrees =
      before !== null &&
      after !== null &&
      before.verdict === after.verdict &&
      before.checked === after.checked &&
      before.violations === after.violations &&
      before.figures === after.figures;
    return { arm, invariant, recorded: before, found: after, agrees };
  });
}

function outcomeOf(result: InvariantResult | undefined): CheckOutcome | null {
  if (result === undefined) return null;
  const { verdict, checked, violations, figures = [] } = result;
  const measured = figures.map(({ id, value }) => `${id} ${value}`).join(', ');
  return { verdict, checked, violations, figures: measured };
}
