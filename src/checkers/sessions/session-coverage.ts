/**
 * The final sweep: after an instant, was every ended session refused by every process, and every session without a
 * revocation accepted? A session without a definite answer is a gap, and with a gap neither invariant is proven,
 * however many other sessions were probed.
 */
import type { SessionEvent, SessionExpiry } from './session-event.ts';
import { foldSessionStates } from './session-states.ts';

export interface CoverageInput {
  readonly events: readonly SessionEvent[];
  readonly expiries?: readonly SessionExpiry[];
  /** Start of the final sweep. */
  readonly fromUs: number;
  readonly targets: readonly string[];
}

export interface SessionCoverage {
  /** Sessions whose end was acknowledged or had come before the sweep, and how many of them every process refused in it. */
  readonly ended: number;
  readonly refused: number;
  /** Sessions without a revocation, and how many of them were accepted in it. */
  readonly live: number;
  readonly accepted: number;
  /** What is missing for a proof; null when nothing is. */
  readonly gap: string | null;
}

export function measureSessionCoverage({
  events,
  expiries = [],
  fromUs,
  targets,
}: CoverageInput): SessionCoverage {
  const refusedBy = new Map<string, Set<string>>();
  const acceptedSubjects = new Set<string>();
  for (const { kind, subject, operation } of events) {
    if (operation.sentUs < fromUs) continue;
    if (kind === 'accepted') acceptedSubjects.add(subject);
    if (kind !== 'refused') continue;
    const refusingTargets = refusedBy.get(subject) ?? new Set();
    refusedBy.set(subject, refusingTargets.add(operation.target ?? ''));
  }
  const counts = { ended: 0, refused: 0, live: 0, accepted: 0 };
  for (const [subject, { earliestEndUs, acknowledgedEndUs }] of foldSessionStates(
    events,
    expiries,
  )) {
    if (acknowledgedEndUs < fromUs) {
      counts.ended += 1;
      if (targets.every((target) => refusedBy.get(subject)?.has(target))) counts.refused += 1;
    } else if (earliestEndUs === Number.POSITIVE_INFINITY) {
      counts.live += 1;
      if (acceptedSubjects.has(subject)) counts.accepted += 1;
    }
  }
  return { ...counts, gap: gapOf(counts) };
}

function gapOf({ ended, refused, live, accepted }: Omit<SessionCoverage, 'gap'>): string | null {
  if (ended === 0) return 'no ended session to probe in the end';
  if (live === 0) return 'no live session to probe in the end';
  if (refused < ended) {
    return `${ended - refused} of ${ended} ended sessions were not refused by every process in the end`;
  }
  if (accepted < live)
    return `${live - accepted} of ${live} live sessions were not accepted in the end`;
  return null;
}
