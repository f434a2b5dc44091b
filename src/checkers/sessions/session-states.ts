/** What a history says about each session, folded to the few instants that decide it (check-sessions.ts). */
import type { SessionEvent, SessionExpiry } from './session-event.ts';

export interface SessionState {
  /** Earliest instant at which something may have ended it: the first revocation sent, or its expiry. Infinity: none. */
  askedUs: number;
  /** Earliest acknowledged end; Infinity: none. */
  revokedByUs: number;
  /** Latest sending of an accepted use. */
  acceptedUs: number;
  /** Earliest completion of a refusal that something had asked for. */
  refusedUs: number;
  /** Earliest completion of any refusal: before `askedUs`, the session was lost. */
  lostAtUs: number;
}

export function sessionStates(
  events: readonly SessionEvent[],
  expiries: readonly SessionExpiry[],
): Map<string, SessionState> {
  const states = new Map<string, SessionState>();
  const stateOf = (subject: string): SessionState => {
    let state = states.get(subject);
    if (state === undefined) {
      state = {
        askedUs: Number.POSITIVE_INFINITY,
        revokedByUs: Number.POSITIVE_INFINITY,
        acceptedUs: Number.NEGATIVE_INFINITY,
        refusedUs: Number.POSITIVE_INFINITY,
        lostAtUs: Number.POSITIVE_INFINITY,
      };
      states.set(subject, state);
    }
    return state;
  };
  const ends = (subject: string, fromUs: number, byUs: number) => {
    const state = stateOf(subject);
    if (fromUs < state.askedUs) state.askedUs = fromUs;
    if (byUs < state.revokedByUs) state.revokedByUs = byUs;
  };

  for (const { subject, fromUs, byUs } of expiries) ends(subject, fromUs, byUs);
  for (const event of events) {
    if (event.kind === 'revoke' && isDefinite(event)) {
      ends(event.subject, event.operation.sentUs, promisedByUs(event));
    }
  }
  // A refusal is judged against the first request for an end, so all of those are read before.
  for (const event of events) {
    if (event.kind === 'revoke' || !isDefinite(event)) continue;
    const state = stateOf(event.subject);
    const { sentUs, doneUs } = event.operation;
    if (event.kind === 'accepted') {
      if (sentUs > state.acceptedUs) state.acceptedUs = sentUs;
    } else {
      if (doneUs < state.lostAtUs) state.lostAtUs = doneUs;
      if (doneUs >= state.askedUs && doneUs < state.refusedUs) state.refusedUs = doneUs;
    }
  }
  return states;
}

/** Does the event count? A use needs its answer; a revocation may have happened unless it definitely did not. */
export function isDefinite({ kind, operation }: SessionEvent): boolean {
  if (operation.sentUs < 0) return false;
  if (kind === 'revoke') return operation.outcome !== 'fail';
  return kind === 'accepted' ? operation.outcome === 'ok' : operation.status === 401;
}

/** What was only learned from the server's record was never promised to anyone at a known time. */
function promisedByUs({ operation, byUs }: SessionEvent): number {
  const answered = operation.outcome === 'ok' && operation.reconciled === undefined;
  return answered ? Math.max(operation.doneUs, byUs ?? 0) : Number.POSITIVE_INFINITY;
}
