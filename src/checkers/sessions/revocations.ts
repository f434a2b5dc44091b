/**
 * Which sessions an operation on several of them ends (revoke all, password change, disable) while concurrent logins begin
 * others. A session that its client held before the revocation was sent must end; one that was asked for after its answer
 * must not; in between both orders are correct.
 */
import type { SessionEvent } from './session-event.ts';

export interface StartedSession {
  readonly subject: string;
  /** From when it was asked for until its client held it; null if it existed before the load. */
  readonly began: { readonly sentUs: number; readonly doneUs: number } | null;
  /**
   * A login that succeeded although the revocation would have prevented it came first: with the old password during its
   * change. Its session must end, at the latest once both were answered.
   */
  readonly provesOrder?: boolean;
}

export function toRevocationEvents(
  operation: SessionEvent['operation'],
  sessions: Iterable<StartedSession>,
): SessionEvent[] {
  const events: SessionEvent[] = [];
  for (const { subject, began, provesOrder = false } of sessions) {
    const revoke: SessionEvent = { kind: 'revoke', subject, operation };
    if (began === null || began.doneUs < operation.sentUs) events.push(revoke);
    else if (began.sentUs <= operation.doneUs || operation.outcome !== 'ok') {
      const guaranteedFromUs = provesOrder ? began.doneUs : Number.POSITIVE_INFINITY;
      events.push({ ...revoke, guaranteedFromUs });
    }
  }
  return events;
}
