/**
 * A limit is exact: never more than N units in any window, and nothing refused that would have fitted. Both are decided
 * on what is certain. An event is at one instant where the limiter's own clock is known, and else somewhere between
 * sending and answer; a slow network only widens intervals and cannot cause a false alarm.
 *
 *   over-admission   units that lie in (e - W, e] for certain are more than N
 *   false refusal    a refusal at t, and all units that may lie in (t - W, t] leave room for it
 *
 * What may have been admitted (a timeout, a lost answer) can explain a refusal and never counts as an over-admission.
 * O(n log n).
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import {
  type FullestWindow,
  findFullestWindow,
  type TimedUnits,
  unitsAtMost,
} from './fullest-window.ts';

/** `possible`: it is not known whether it took its units. */
export interface LimitEvent extends TimedUnits {
  readonly kind: 'admitted' | 'refused' | 'possible';
  readonly subject: string;
}

export interface WindowInput {
  /** All on one clock. */
  readonly events: readonly LimitEvent[];
  limitOf(subject: string): number;
  readonly windowUs: number;
}

export interface WindowFindings {
  readonly subjects: number;
  /** Number of requests. */
  readonly admitted: number;
  readonly refused: number;
  /** Units admitted into windows that were already full. */
  readonly overAdmitted: number;
  /** The fullest window, in parts of its limit; 0 when nothing was admitted. */
  readonly maxRatio: number;
  readonly falseRefusals: number;
  /** Ten at most, the fullest window first. */
  readonly overWitness: readonly Readonly<Record<string, unknown>>[];
  readonly falseWitness: readonly Readonly<Record<string, unknown>>[];
  /** What the history lacks for a verdict; null when nothing. */
  readonly coverageGap: string | null;
}

const WITNESS_LIMIT = 10;

export function checkWindow({ events, limitOf, windowUs }: WindowInput): WindowFindings {
  const bySubject = groupBy(events, ({ subject }) => subject);
  const count = (kind: LimitEvent['kind']) => events.filter((event) => event.kind === kind).length;
  const overfull: { subject: string; limit: number; found: FullestWindow<LimitEvent> }[] = [];
  const falseWitness: Record<string, unknown>[] = [];
  const total = { overAdmitted: 0, maxRatio: 0, falseRefusals: 0 };
  let isSaturated = false;
  let hasCalm = false;
  for (const [subject, ofSubject] of bySubject) {
    const limit = limitOf(subject);
    const found = findFullestWindow(
      ofSubject.filter(({ kind }) => kind === 'admitted'),
      { limit, windowUs },
    );
    total.overAdmitted += found.excess;
    if (found.maxUnits > 0) total.maxRatio = Math.max(total.maxRatio, found.maxUnits / limit);
    if (found.excess > 0) overfull.push({ subject, limit, found });
    for (const refusal of falseRefusals(ofSubject, limit, windowUs)) {
      total.falseRefusals += 1;
      if (falseWitness.length < WITNESS_LIMIT)
        falseWitness.push({ violation: 'refused although it fitted', limit, ...refusal });
    }
    isSaturated ||= found.maxUnits >= limit || ofSubject.some(({ kind }) => kind === 'refused');
    hasCalm ||= hasCalmWindow(ofSubject, windowUs);
  }
  overfull.sort((a, b) => b.found.maxUnits / b.limit - a.found.maxUnits / a.limit);
  return {
    ...total,
    subjects: bySubject.size,
    admitted: count('admitted'),
    refused: count('refused'),
    overWitness: overfull.slice(0, WITNESS_LIMIT).map(({ subject, limit, found }) => ({
      violation: 'more than the limit in one window',
      subject,
      limit,
      windowUs,
      units: found.maxUnits,
      first: found.ends?.first,
      last: found.ends?.last,
    })),
    falseWitness,
    coverageGap: coverageGap(isSaturated, hasCalm),
  };
}

/** A history with only admissions or only refusals does not show a limit. */
function coverageGap(isSaturated: boolean, hasCalm: boolean): string | null {
  if (!isSaturated) return 'no window was ever full';
  return hasCalm ? null : 'no window passed without a refusal';
}

function* falseRefusals(
  events: readonly LimitEvent[],
  limit: number,
  windowUs: number,
): Generator<{ refusal: LimitEvent; mayHaveTaken: number }> {
  const taken = events.filter(({ kind }) => kind !== 'refused');
  const startedUnits = unitsAtMost(taken, ({ fromUs }) => fromUs);
  const endedUnits = unitsAtMost(taken, ({ toUs }) => toUs);
  for (const refusal of events) {
    if (refusal.kind !== 'refused') continue;
    const mayHaveTaken = startedUnits(refusal.toUs) - endedUnits(refusal.fromUs - windowUs);
    if (mayHaveTaken + refusal.weight <= limit) yield { refusal, mayHaveTaken };
  }
}

/** An admission with no refusal in the window before it. */
function hasCalmWindow(events: readonly LimitEvent[], windowUs: number): boolean {
  const refusals = events.filter(({ kind }) => kind === 'refused');
  const startedUnits = unitsAtMost(refusals, ({ fromUs }) => fromUs);
  const endedUnits = unitsAtMost(refusals, ({ toUs }) => toUs);
  return events.some(
    ({ kind, fromUs, toUs }) =>
      kind === 'admitted' && startedUnits(toUs) === endedUnits(fromUs - windowUs),
  );
}
