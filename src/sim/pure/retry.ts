/**
 * When a client tries again. Full jitter, drawn from the seed, the operation's place in its load and the number
 * of the attempt: how many others had to retry, and when, changes nothing. `fail` with an answer is final unless
 * its status is listed; what may have happened, or was never sent, is tried again.
 */
import type { OperationRecord } from '../history.ts';
import { createRandom } from './random.ts';
import type { RetryPolicy } from './workload.ts';

/** One ended attempt, 1 being the first. */
export interface EndedAttempt {
  readonly seed: number;
  /** Which operation of the load it is, counted from 0. */
  readonly operation: number;
  readonly attempt: number;
  readonly record: Pick<OperationRecord, 'outcome' | 'status' | 'sentUs'>;
}

/** The pause before the next attempt, or null when there is none. */
export function retryAfterUs(policy: RetryPolicy, ended: EndedAttempt): number | null {
  const { outcome, status, sentUs } = ended.record;
  if (outcome === 'ok' || ended.attempt >= policy.attempts) return null;
  if (outcome === 'fail' && sentUs !== -1 && !policy.statuses.includes(status)) return null;
  const most = Math.min(policy.baseMs * 2 ** (ended.attempt - 1), policy.capMs);
  const random = createRandom(ended.seed).fork('retry').fork(ended.operation).fork(ended.attempt);
  return Math.floor(random.next() * most * 1000);
}

/** The longest an operation can take with all its attempts, each given up after `timeoutMs`. */
export function longestMs(policy: RetryPolicy | undefined, timeoutMs: number): number {
  if (policy === undefined) return timeoutMs;
  return policy.attempts * timeoutMs + (policy.attempts - 1) * policy.capMs;
}
