/**
 * Which sessions a "revoke all" ends while concurrent logins begin others. A session whose login was answered before
 * the revocation was sent must end; one whose login was sent after its answer must not; in between both orders are
 * correct.
 */
import type { OperationRecord } from '../../sim/history.ts';
import type { SessionEvent } from './session-event.ts';

export interface StartedSession {
  readonly subject: string;
  /** The login that began it; null if the session existed before the load. */
  readonly login: OperationRecord | null;
}

export interface RevokeAllOptions {
  /**
   * A login with the old password that succeeded during a password change came first: its session must end, at the
   * latest once both were answered.
   */
  readonly loginProvesOrder?: boolean;
}

export function toRevocationEvents(
  operation: OperationRecord,
  sessions: readonly StartedSession[],
  { loginProvesOrder = false }: RevokeAllOptions = {},
): SessionEvent[] {
  const events: SessionEvent[] = [];
  for (const { subject, login } of sessions) {
    const revoke: SessionEvent = { kind: 'revoke', subject, operation };
    if (login === null || login.doneUs < operation.sentUs) events.push(revoke);
    else if (login.sentUs <= operation.doneUs || operation.outcome !== 'ok') {
      const guaranteedFromUs = loginProvesOrder ? login.doneUs : Number.POSITIVE_INFINITY;
      events.push({ ...revoke, guaranteedFromUs });
    }
  }
  return events;
}
