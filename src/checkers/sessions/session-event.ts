/** What the checkers of sessions read: events about one session, and ends that come by themselves. */
import type { ReconciledOperation } from './reconcile.ts';

/** What an operation says about one session. Sessions the platform never issued (forged tokens) have no place here. */
export interface SessionEvent {
  /**
   * `accepted`: it was served as this session. `refused`: a definite 401. `revoke`: it asked for the session's end,
   * also as one of many. Anything else an operation may say (5xx, 429, a timeout) is no event.
   */
  readonly kind: 'accepted' | 'refused' | 'revoke';
  readonly subject: string;
  /** Unknown outcomes may have been settled before. */
  readonly operation: ReconciledOperation;
  /** For `revoke`: from when it is promised, if not from the answer on. Infinity: it may end the session, or not. */
  readonly byUs?: number;
}

/** A session that ends by itself, between these instants. */
export interface SessionExpiry {
  readonly subject: string;
  readonly fromUs: number;
  readonly byUs: number;
}
