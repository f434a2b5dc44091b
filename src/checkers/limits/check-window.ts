/**
 * A limit is exact: never more than N units in any window, and nothing refused that would have fitted. Both are
 * decided on what is definite. An event lies at one instant where the limiter's own clock is known, and else
 * somewhere between its sending and its answer; a slow network only widens intervals and cannot raise a false alarm.
 *
 *   over-admission   units that lie in (e - W, e] for certain are more than N
 *   false refusal    a refusal at t, and all units that may lie in (t - W, t] leave room for it
 *
 * What may have been admitted (a timeout, an answer that never came) can excuse a refusal and never accuses.
 * O(n log n).
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import { type Crowding, countUpTo, crowding, type Taken } from './crowding.ts';

/** `possible`: may have taken its units, or not. */
export interface LimitEvent extends Taken {
  readonly kind: 'admitted' | 'refused' | 'possible';
  readonly subject: string;
}

export interface WindowInput {
  /** On one clock, all of it. */
  readonly events: readonly LimitEvent[];
  limitOf(subject: string): number;
  readonly windowUs: number;
}

export interface WindowFindings {
  readonly subjects: number;
  /** Requests. */
  readonly admitted: number;
  readonly refused: number;
  /** Units admitted into windows that were full. */
  readonly overAdmitted: number;
  /** The fullest window, in parts of its limit; 0 when nothing was admitted. */
  readonly worstRatio: number;
  readonly falseRefusals: number;
  /** Ten at most, the fullest window first. */
  readonly overWitness: readonly Readonly<Record<string, unknown>>[];
  readonly falseWitness: readonly Readonly<Record<string, unknown>>[];
  /** Why the history is too thin for a verdict; null when it is not. */
  readonly notSeen: string | null;
}

const WITNESS_LIMIT = 10;

export function checkWindow({ events, limitOf, windowUs }: WindowInput): WindowFindings {
  const bySubject = groupBy(events, ({ subject }) => subject);
  const count = (kind: LimitEvent['kind']) => events.filter((event) => event.kind === kind).length;
  const crowded: { subject: string; limit: number; found: Crowding<LimitEvent> }[] = [];
  const falseWitness: Record<string, unknown>[] = [];
  const total = { overAdmitted: 0, worstRatio: 0, falseRefusals: 0 };
  let saturated = false;
  let calm = false;
  for (const [subject, of] of bySubject) {
    const limit = limitOf(subject);
    const found = crowding(
      of.filter(({ kind }) => kind === 'admitted'),
      { limit, windowUs },
    );
    total.overAdmitted += found.excess;
    if (found.worst > 0) total.worstRatio = Math.max(total.worstRatio, found.worst / limit);
    if (found.excess > 0) crowded.push({ subject, limit, found });
    for (const wrong of falseRefusals(of, limit, windowUs)) {
      total.falseRefusals += 1;
      if (falseWitness.length < WITNESS_LIMIT)
        falseWitness.push({ violation: 'refused although it fitted', limit, ...wrong });
    }
    saturated ||= found.worst >= limit || of.some(({ kind }) => kind === 'refused');
    calm ||= hasCalmWindow(of, windowUs);
  }
  crowded.sort((a, b) => b.found.worst / b.limit - a.found.worst / a.limit);
  return {
    ...total,
    subjects: bySubject.size,
    admitted: count('admitted'),
    refused: count('refused'),
    overWitness: crowded.slice(0, WITNESS_LIMIT).map(({ subject, limit, found }) => ({
      ...{ violation: 'more than the limit in one window', subject, limit, windowUs },
      ...{ units: found.worst, first: found.ends?.first, last: found.ends?.last },
    })),
    falseWitness,
    notSeen: missing(saturated, calm),
  };
}

/** Refusing everything and admitting everything both have to be told apart from a limit. */
function missing(saturated: boolean, calm: boolean): string | null {
  if (!saturated) return 'no window was ever full';
  return calm ? null : 'no window passed without a refusal';
}

function* falseRefusals(
  events: readonly LimitEvent[],
  limit: number,
  windowUs: number,
): Generator<{ refusal: LimitEvent; mayHaveTaken: number }> {
  const taken = events.filter(({ kind }) => kind !== 'refused');
  const begun = unitsUpTo(taken, ({ fromUs }) => fromUs);
  const over = unitsUpTo(taken, ({ toUs }) => toUs);
  for (const refusal of events) {
    if (refusal.kind !== 'refused') continue;
    const mayHaveTaken = begun(refusal.toUs) - over(refusal.fromUs - windowUs);
    if (mayHaveTaken + refusal.weight <= limit) yield { refusal, mayHaveTaken };
  }
}

/** Units whose instant is at most the one asked for. */
function unitsUpTo(
  taken: readonly LimitEvent[],
  instant: (event: LimitEvent) => number,
): (atUs: number) => number {
  const sorted = taken.toSorted((a, b) => instant(a) - instant(b));
  const instants = sorted.map(instant);
  const sums = [0];
  for (const { weight } of sorted) sums.push(sums.at(-1)! + weight);
  return (atUs) => sums[countUpTo(instants, atUs)]!;
}

/** An admission with no refusal in the window before it. */
function hasCalmWindow(events: readonly LimitEvent[], windowUs: number): boolean {
  const refusals = events.filter(({ kind }) => kind === 'refused');
  const begun = unitsUpTo(refusals, ({ fromUs }) => fromUs);
  const over = unitsUpTo(refusals, ({ toUs }) => toUs);
  return events.some(
    ({ kind, fromUs, toUs }) => kind === 'admitted' && begun(toUs) === over(fromUs - windowUs),
  );
}
