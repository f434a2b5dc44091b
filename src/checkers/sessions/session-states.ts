/** Folds the events of each session to the instants that decide it (check-sessions.ts). */
import type { SessionEvent, SessionExpiry } from './session-event.ts';

export interface SessionState {
  /** Earliest instant at which something may have ended it: the first revocation sent, or its expiry. Infinity: none. */
  earliestEndUs: number;
  /** Earliest acknowledged end; Infinity: none. */
  acknowledgedEndUs: number;
  /** Latest sending of an accepted use. */
  lastAcceptedUs: number;
  /** Earliest completion of a refusal at or after `earliestEndUs`. */
  firstDueRefusalUs: number;
  /** Earliest completion of any refusal: before `earliestEndUs`, the session was lost. */
  firstRefusalUs: number;
}

export function foldSessionStates(
  events: readonly SessionEvent[],
  expiries: readonly SessionExpiry[],
): Map<string, SessionState> {
  const states = new Map<string, SessionState>();
  const stateOf = (subject: string): SessionState => {
    let state = states.get(subject);
    if (state === undefined) {
      state = {
        earliestEndUs: Number.POSITIVE_INFINITY,
        acknowledgedEndUs: Number.POSITIVE_INFINITY,
        lastAcceptedUs: Number.NEGATIVE_INFINITY,
        firstDueRefusalUs: Number.POSITIVE_INFINITY,
        firstRefusalUs: Number.POSITIVE_INFINITY,
      };
      states.set(subject, state);
    }
    return state;
  };
  const addEnd = (subject: string, fromUs: number, toUs: number) => {
    const state = stateOf(subject);
    if (fromUs < state.earliestEndUs) state.earliestEndUs = fromUs;
    if (toUs < state.acknowledgedEndUs) state.acknowledgedEndUs = toUs;
  };

  for (const { subject, fromUs, toUs } of expiries) addEnd(subject, fromUs, toUs);
  for (const event of events) {
    if (event.kind === 'revoke' && isDefinite(event)) {
      addEnd(event.subject, event.operation.sentUs, guaranteedEndUs(event));
    }
  }
  // A refusal is judged against the first revocation, so all revocations are read first.
  for (const event of events) {
    if (event.kind === 'revoke' || !isDefinite(event)) continue;
    const state = stateOf(event.subject);
    const { sentUs, doneUs } = event.operation;
    if (event.kind === 'accepted') {
      if (sentUs > state.lastAcceptedUs) state.lastAcceptedUs = sentUs;
    } else {
      if (doneUs < state.firstRefusalUs) state.firstRefusalUs = doneUs;
      if (doneUs >= state.earliestEndUs && doneUs < state.firstDueRefusalUs)
        state.firstDueRefusalUs = doneUs;
    }
  }
  return states;
}

/** Whether the event counts: a use needs a definite answer; a revocation counts unless it definitely failed. */
export function isDefinite({ kind, operation }: SessionEvent): boolean {
  if (operation.sentUs < 0) return false;
  if (kind === 'revoke') return operation.outcome !== 'fail';
  return kind === 'accepted' ? operation.outcome === 'ok' : operation.status === 401;
}

/** A revocation known only from the server's record was never acknowledged, so it guarantees no instant. */
export function guaranteedEndUs({ operation, guaranteedFromUs = 0 }: SessionEvent): number {
  const isAcknowledged = operation.outcome === 'ok' && operation.reconciled === undefined;
  return isAcknowledged ? Math.max(operation.doneUs, guaranteedFromUs) : Number.POSITIVE_INFINITY;
}
