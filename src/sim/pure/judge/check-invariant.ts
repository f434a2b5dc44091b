/** The result of one invariant of an arm. */
import type { HistoryRecord } from '../../history.ts';
import type { InvariantResult } from '../../result.ts';
import type { Invariant } from '../../scenario.ts';
import type { MachineLimit } from './measurements.ts';
import { smallestRateSeen } from './smallest-rate.ts';

/** Without the end of the history a checker would find what is only missing. */
export function checkInvariant(
  invariant: Invariant,
  history: readonly HistoryRecord[],
  limits: readonly MachineLimit[],
): InvariantResult {
  const { id, statement, planted, needsRest = false, dependsOnArrivals } = invariant;
  const lost = limits.find(({ isGenerator }) => isGenerator);
  if (lost !== undefined) {
    const reason = `the history is not whole: ${lost.what}`;
    return { id, statement, verdict: 'unknown', checked: 0, violations: 0, witness: [], reason };
  }
  const found = invariant.check(history);
  // A reading at rest is not one of many independent chances to see a defect.
  const rate = needsRest ? null : smallestRateSeen(found.checked, found.violations);
  return {
    id,
    statement,
    ...found,
    ...(rate !== null && { detectableRate: rate }),
    ...(planted && { planted }),
    ...(dependsOnArrivals && { dependsOnArrivals }),
  };
}
