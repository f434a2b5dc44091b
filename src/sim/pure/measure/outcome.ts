/**
 * The outcome of an attempt, from its answer or the lack of one. Conservative: once a byte was sent and no final answer
 * arrived, the operation may have happened.
 *
 *   never sent, refused, failed before a byte     fail
 *   2xx, 3xx                                      ok
 *   4xx (429 too: the platform said no)           fail
 *   5xx                                           unknown
 *   timeout, reset, malformed answer after send   unknown
 */
import type { Outcome } from '../../history.ts';

export interface Attempt {
  /** Was the request handed to a connected socket? */
  readonly sent: boolean;
  /** Status of the answer, 0 when none arrived. */
  readonly status: number;
  /** Why there is no complete answer, or null when there is one. */
  readonly error: string | null;
}

export function classify(attempt: Attempt): { outcome: Outcome; error: string | null } {
  const { sent, status, error } = attempt;
  if (error !== null) return { outcome: sent ? 'unknown' : 'fail', error };
  if (status >= 200 && status < 400) return { outcome: 'ok', error: null };
  return { outcome: status >= 400 && status < 500 ? 'fail' : 'unknown', error: `http ${status}` };
}
