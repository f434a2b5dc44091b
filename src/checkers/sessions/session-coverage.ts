/**
 * The last look at everybody: from an instant on, was every session that had ended refused by every process, and
 * every session that nobody had ended accepted? Sessions that got no definite answer are a gap, and with a gap
 * neither promise is proven, however many others were looked at.
 */
import type { SessionEvent } from './session-event.ts';
import { sessionStates } from './session-states.ts';

export interface CoverageInput {
  readonly events: readonly SessionEvent[];
  /** Start of the last look. */
  readonly fromUs: number;
  readonly targets: readonly string[];
}

export interface SessionCoverage {
  /** Sessions with an end acknowledged before the look, and how many of them every process refused in it. */
  readonly ended: number;
  readonly refused: number;
  /** Sessions that nothing had asked to end, and how many of them were accepted in it. */
  readonly live: number;
  readonly accepted: number;
  /** What is missing for a proof; null when nothing is. */
  readonly gap: string | null;
}

export function sessionCoverage({ events, fromUs, targets }: CoverageInput): SessionCoverage {
  const refusedBy = new Map<string, Set<string>>();
  const acceptedSubjects = new Set<string>();
  for (const { kind, subject, operation } of events) {
    if (operation.sentUs < fromUs) continue;
    if (kind === 'accepted') acceptedSubjects.add(subject);
    if (kind !== 'refused') continue;
    const by = refusedBy.get(subject) ?? new Set();
    refusedBy.set(subject, by.add(operation.target ?? ''));
  }
  const counts = { ended: 0, refused: 0, live: 0, accepted: 0 };
  for (const [subject, { askedUs, revokedByUs }] of sessionStates(events, [])) {
    if (revokedByUs < fromUs) {
      counts.ended += 1;
      if (targets.every((target) => refusedBy.get(subject)?.has(target))) counts.refused += 1;
    } else if (askedUs === Number.POSITIVE_INFINITY) {
      counts.live += 1;
      if (acceptedSubjects.has(subject)) counts.accepted += 1;
    }
  }
  return { ...counts, gap: gapOf(counts) };
}

function gapOf({ ended, refused, live, accepted }: Omit<SessionCoverage, 'gap'>): string | null {
  if (ended === 0 || live === 0) return 'nobody was left to look at in the end';
  if (refused < ended) {
    return `${ended - refused} of ${ended} ended sessions were not refused by every process in the end`;
  }
  if (accepted < live)
    return `${live - accepted} of ${live} live sessions were not accepted in the end`;
  return null;
}
