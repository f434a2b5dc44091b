/**
 * Which sessions a "revoke all" ends, when others begin beside it. A session whose login was answered before the
 * revocation was sent must end; one whose login was sent after its answer must not; in between both orders are
 * right, and neither can be held against the platform.
 */
import type { OperationRecord } from '../../sim/history.ts';
import type { SessionEvent } from './session-event.ts';

export interface BegunSession {
  readonly subject: string;
  /** The login that began it; null for one that existed before the load. */
  readonly begin: OperationRecord | null;
}

export interface RevokeAllOptions {
  /**
   * Does the login prove that it came first? One with the old password that succeeded beside a password change
   * did: the session must end, at the latest once both were answered.
   */
  readonly loginProvesOrder?: boolean;
}

export function revocationsOfAll(
  operation: OperationRecord,
  sessions: readonly BegunSession[],
  { loginProvesOrder = false }: RevokeAllOptions = {},
): SessionEvent[] {
  const events: SessionEvent[] = [];
  for (const { subject, begin } of sessions) {
    const revoke: SessionEvent = { kind: 'revoke', subject, operation };
    if (begin === null || begin.doneUs < operation.sentUs) events.push(revoke);
    else if (begin.sentUs <= operation.doneUs || operation.outcome !== 'ok') {
      const byUs = loginProvesOrder ? begin.doneUs : Number.POSITIVE_INFINITY;
      events.push({ ...revoke, byUs });
    }
  }
  return events;
}
