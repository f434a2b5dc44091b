/**
 * What is given back can be taken again: a login that succeeds costs nothing, so a client may log in more often than its
 * limit says, and is refused only for what it still holds. Judged at the levels whose units are given back.
 */
import { groupBy } from '../../sim/pure/group-by.ts';
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';
import { levelRefusalsAreDue } from './check-levels.ts';
import { findFullestWindow } from './fullest-window.ts';
import { byPolicy, type LevelEvent } from './level-events.ts';

export interface RefundsInput {
  /** At the levels whose units are given back. */
  readonly events: readonly LevelEvent[];
  /** Policies of which one subject must have given back more than its limit within one window. */
  readonly mustExceed: readonly string[];
}

export function checkRefunds({ events, mustExceed }: RefundsInput): CheckResult {
  const { violations, witness } = levelRefusalsAreDue(events, [], []);
  const refunded = events.filter(({ isRefunded }) => isRefunded);
  const most = new Map(
    [...byPolicy(refunded)].map(([policy, ofPolicy]) => [policy, mostInParts(ofPolicy)]),
  );
  const short = mustExceed.find((policy) => (most.get(policy) ?? 0) <= 1);
  return concludeCheck({
    checked: refunded.length,
    violations,
    witness,
    figures: [
      {
        id: 'refunded-most',
        label: 'most given back in one window, of the limit',
        value: most.size === 0 ? null : Math.max(...most.values()),
        unit: 'times',
      },
    ],
    gap: short === undefined ? null : `${short}: no more was given back than the limit has`,
  });
}

/** The most units that one subject gave back in a window, in parts of its limit. */
function mostInParts(events: readonly LevelEvent[]): number {
  let most = 0;
  for (const [, ofSubject] of groupBy(events, ({ subject }) => subject)) {
    const [{ limit, windowUs }] = ofSubject as [LevelEvent];
    const taken = ofSubject.map((event) => {
      const atUs = event.atUs ?? event.fromUs;
      return { ...event, fromUs: atUs, toUs: atUs };
    });
    const { maxUnits } = findFullestWindow(taken, { limit, windowUs });
    most = Math.max(most, maxUnits / limit);
  }
  return most;
}
