/**
 * What an answer says of a level is true: its limit, and what is left, which falls by exactly what was taken. At the instant of a decision that is
 * the limit less the units of the window, those of the request itself included if it was admitted. Requests decided at the
 * same instant, and those whose outcome is not known, may be counted or not: they make a range of it.
 *
 *   limit - certain - own - perhaps  <=  remaining  <=  limit - certain - own
 *
 * Only decisions with evidence are judged, because only their instant is known. O(n log n).
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';
import { unitsAtMost } from './fullest-window.ts';
import { byPolicy, type LevelEvent } from './level-events.ts';

export interface RemainingInput {
  readonly events: readonly LevelEvent[];
  /** Policies of which answers must have been judged while units were taken. */
  readonly mustSay: readonly string[];
}

const WITNESS_LIMIT = 10;

export function checkRemaining({ events, mustSay }: RemainingInput): CheckResult {
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  let checked = 0;
  /** Policies of which an answer was judged that had to be below the limit. */
  const said = new Set<string>();
  for (const [policy, ofPolicy] of byPolicy(events)) {
    for (const [, ofSubject] of groupBy(ofPolicy, ({ subject }) => subject)) {
      for (const { event, least, most } of rangesOf(ofSubject)) {
        checked += 1;
        if (most < event.limit) said.add(policy);
        const violation = violationOf(event, least, most);
        if (violation === null) continue;
        violations += 1;
        if (witness.length < WITNESS_LIMIT) witness.push({ violation, least, most, ...event });
      }
    }
  }
  const silent = mustSay.find((policy) => !said.has(policy));
  return concludeCheck({
    checked,
    violations,
    witness,
    figures: [
      {
        id: 'remaining-checked',
        label: 'answers that say what is left',
        value: checked,
        unit: 'count',
      },
    ],
    gap:
      silent === undefined ? null : `${silent}: no answer said what is left after units were taken`,
  });
}

function violationOf(
  { remaining, isShared, quota, limit }: LevelEvent,
  least: number,
  most: number,
): string | null {
  if (quota !== null && quota !== limit) return 'another limit than the one that applies';
  if (remaining! > most) return 'more is left than can be';
  // What is left of a share is what its agent may take, which depends on the other agents.
  return !isShared && remaining! < least ? 'less is left than must be' : null;
}

/** Of one subject. */
function* rangesOf(
  events: readonly LevelEvent[],
): Generator<{ event: LevelEvent; least: number; most: number }> {
  const taken = events.filter(({ kind, atUs }) => kind === 'admitted' && atUs !== null);
  const takenAtMost = unitsAtMost(taken, ({ atUs }) => atUs!);
  const perhaps = events.filter(
    ({ kind, atUs }) => kind === 'possible' || (kind === 'admitted' && atUs === null),
  );
  const startedAtMost = unitsAtMost(perhaps, ({ fromUs }) => fromUs);
  const endedAtMost = unitsAtMost(perhaps, ({ toUs }) => toUs);
  for (const event of events) {
    const { atUs, remaining, kind, limit, weight, windowUs, isRefunded } = event;
    if (atUs === null || remaining === null) continue;
    const own = kind === 'admitted' || isRefunded ? weight : 0;
    // A unit counts while now - t < window.
    const before = takenAtMost(atUs - 1) - takenAtMost(atUs - windowUs);
    const together = takenAtMost(atUs) - takenAtMost(atUs - 1) - (kind === 'admitted' ? own : 0);
    const unsure = startedAtMost(atUs) - endedAtMost(atUs - windowUs) - (isRefunded ? own : 0);
    const free = Math.max(0, limit - before - own);
    // What it refuses does not fit in what is left.
    const most = kind === 'refused' ? Math.min(free, weight - 1) : free;
    const least = Math.max(0, free - together - Math.max(0, unsure));
    yield { event, most, least: Math.min(least, most) };
  }
}
