/**
 * When sessions end without a request: at their absolute end, or after the idle timeout without a use. The clocks of the
 * client and of the platform differ by at most `toleranceUs`, so an end is an interval.
 *
 * A use restarts the idle timeout at some instant between its sending and its answer, but the platform writes it down only
 * every `writtenEveryUs`, and `writtenWithinUs` later: a session that was used in time must be accepted for the idle
 * timeout less `writtenEveryUs`, and refused when it has certainly not been used for the whole of it. O(n log n).
 */
import type { SessionExpiry } from './session-event.ts';

export interface SessionLife {
  readonly subject: string;
  /** Its absolute end; null when it is not known or far. */
  readonly endsUs: number | null;
  /** When it was used last before the load, or began; null when it is not known. */
  readonly usedUs: number | null;
}

export interface TimeoutRules {
  readonly idleUs: number;
  readonly writtenEveryUs: number;
  readonly writtenWithinUs: number;
  readonly toleranceUs: number;
}

export function absoluteExpiries(
  lives: Iterable<SessionLife>,
  { toleranceUs }: TimeoutRules,
): SessionExpiry[] {
  return [...lives].flatMap(({ subject, endsUs }) =>
    endsUs === null ? [] : [{ subject, fromUs: endsUs - toleranceUs, toUs: endsUs + toleranceUs }],
  );
}

/** A request that was served as the session, or may have been. */
export interface SessionUse {
  readonly subject: string;
  readonly sentUs: number;
  readonly doneUs: number;
  readonly isCertain: boolean;
}

/** A request without an answer is served within this time after it was given up. */
const SERVED_WITHIN_US = 10_000_000;

/** `uses`: all of the history, not only those of the sessions in `lives`. */
export function idleExpiries(
  lives: Iterable<SessionLife>,
  uses: Iterable<SessionUse>,
  rules: TimeoutRules,
): SessionExpiry[] {
  const usesOf = new Map<string, SessionUse[]>();
  const known = [...lives].filter(({ usedUs }) => usedUs !== null);
  for (const { subject } of known) usesOf.set(subject, []);
  for (const use of uses) usesOf.get(use.subject)?.push(use);
  return known.map(({ subject, usedUs }) => {
    const { fromUs, toUs } = firstIdleEnd(usedUs!, usesOf.get(subject)!, rules);
    return { subject, fromUs: fromUs - rules.toleranceUs, toUs: toUs + rules.toleranceUs };
  });
}

/** The first time a session is without a use for long enough. */
function firstIdleEnd(
  usedUs: number,
  uses: SessionUse[],
  { idleUs, writtenEveryUs, writtenWithinUs, toleranceUs }: TimeoutRules,
): { fromUs: number; toUs: number } {
  let fromUs = usedUs + idleUs;
  let toUs = fromUs;
  for (const { sentUs, doneUs, isCertain } of uses.sort((a, b) => a.sentUs - b.sentUs)) {
    if (sentUs > toUs + toleranceUs) break;
    toUs = Math.max(toUs, doneUs + idleUs + (isCertain ? 0 : SERVED_WITHIN_US));
    const isInTime = isCertain && doneUs + writtenWithinUs <= fromUs;
    if (isInTime) fromUs = Math.max(fromUs, sentUs + idleUs - writtenEveryUs);
  }
  return { fromUs, toUs };
}
