/** Input of the session checkers: events about one session, and expiries. */
import type { ReconciledOperation } from './reconcile.ts';

/** What an operation shows about one session. Sessions the platform never issued (forged tokens) are left out. */
export interface SessionEvent {
  /**
   * `accepted`: it was served as this session. `refused`: a definite 401. `revoke`: it requested the session's end,
   * alone or among others. Any other result (5xx, 429, a timeout) is no event.
   */
  readonly kind: 'accepted' | 'refused' | 'revoke';
  /** The operation that a revocation is one of: `renew`. */
  readonly verb?: string;
  readonly subject: string;
  /** Unknown outcomes may have been reconciled before. */
  readonly operation: ReconciledOperation;
  /** For `revoke`: from when the end is guaranteed, if later than the answer. Infinity: it may end the session, or not. */
  readonly guaranteedFromUs?: number;
}

/** A session that expires, at some instant between these. */
export interface SessionExpiry {
  readonly subject: string;
  readonly fromUs: number;
  readonly toUs: number;
}
