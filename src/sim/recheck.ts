/**
 * Runs the checkers of a finished run once more, on its history alone, and sets their answers beside the recorded
 * ones. Arm by arm, so that memory holds one arm's records at a time.
 */
import { readHistory } from './effects/load/engine/read-history.ts';
import type { HistoryRecord } from './history.ts';
import type { ArmName, InvariantResult, Result, Verdict } from './result.ts';
import type { Invariant } from './scenario.ts';

export interface CheckerAnswer {
  readonly verdict: Verdict;
  readonly checked: number;
  readonly violations: number;
  /** `revocation-lag 0, sessions-lost 3`; empty for none. */
  readonly figures: string;
}

/** One invariant of one arm: as recorded, and as the history gives it now; null where there is none. */
export interface Recheck {
  readonly arm: ArmName;
  readonly invariant: string;
  readonly recorded: CheckerAnswer | null;
  readonly found: CheckerAnswer | null;
  readonly agrees: boolean;
}

/** Arms of the history that were not judged (an aborted run) are left out. */
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
    compare(name as ArmName, recorded, found.get(name) ?? []),
  );
}

function compare(
  arm: ArmName,
  recorded: readonly InvariantResult[],
  found: readonly InvariantResult[],
): Recheck[] {
  const ids = new Set([...recorded, ...found].map(({ id }) => id));
  return [...ids].map((invariant) => {
    const then = answerOf(recorded.find(({ id }) => id === invariant));
    const now = answerOf(found.find(({ id }) => id === invariant));
    const agrees =
      then !== null &&
      now !== null &&
      then.verdict === now.verdict &&
      then.checked === now.checked &&
      then.violations === now.violations &&
      then.figures === now.figures;
    return { arm, invariant, recorded: then, found: now, agrees };
  });
}

function answerOf(result: InvariantResult | undefined): CheckerAnswer | null {
  if (result === undefined) return null;
  const { verdict, checked, violations, figures = [] } = result;
  const measured = figures.map(({ id, value }) => `${id} ${value}`).join(', ');
  return { verdict, checked, violations, figures: measured };
}
