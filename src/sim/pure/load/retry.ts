/**
 * Retry policy of the client: exponential backoff with full jitter, drawn from the seed, the operation's index in its
 * load and the attempt, so other operations' retries do not influence it. A `fail` with an answer is final unless its
 * status is listed; unknown outcomes and unsent requests are retried. With `obeyRetryAfter` the client waits exactly
 * the server's Retry-After.
 */
import type { OperationRecord } from '../../history.ts';
import { createRandom } from '../random.ts';
import type { RetryPolicy } from './workload.ts';

/** One ended attempt, 1 being the first. */
export interface EndedAttempt {
  readonly seed: number;
  /** Which operation of the load it is, counted from 0. */
  readonly operation: number;
  readonly attempt: number;
  readonly record: Pick<OperationRecord, 'outcome' | 'status' | 'sentUs' | 'headers'>;
  /** Wall clock as it ended, for a Retry-After that is a date. */
  readonly wallMs: number;
}

/** Delay before the next attempt; null for no further attempt. */
export function retryDelayUs(policy: RetryPolicy, ended: EndedAttempt): number | null {
  const { outcome, status, sentUs } = ended.record;
  if (outcome === 'ok' || ended.attempt >= policy.attempts) return null;
  if (outcome === 'fail' && sentUs !== -1 && !policy.statuses.includes(status)) return null;
  const serverDelayUs = policy.obeyRetryAfter ? parseRetryAfterUs(ended) : null;
  if (serverDelayUs !== null)
    return policy.capMs > 0 && serverDelayUs > policy.capMs * 1000 ? null : serverDelayUs;
  const maxMs = Math.min(policy.baseMs * 2 ** (ended.attempt - 1), policy.capMs);
  const random = createRandom(ended.seed).fork('retry').fork(ended.operation).fork(ended.attempt);
  return Math.floor(random.next() * maxMs * 1000);
}

/** Retry-After in seconds or as an HTTP date; null when absent or invalid. */
function parseRetryAfterUs({ record, wallMs }: EndedAttempt): number | null {
  const text = record.headers?.['retry-after']?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1e6;
  // Date.parse also accepts text that is no HTTP date, such as `-5`.
  const untilMs = /^[A-Z][a-z]{2,8}, .+ GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(untilMs) ? null : Math.max(0, untilMs - wallMs) * 1000;
}

/**
 * Upper bound for an operation with all its attempts, each ended after `timeoutMs`. Retry-After delays are not included:
 * they end within the load's planned time.
 */
export function maxOperationMs(policy: RetryPolicy | undefined, timeoutMs: number): number {
  if (policy === undefined) return timeoutMs;
  return policy.attempts * timeoutMs + (policy.attempts - 1) * policy.capMs;
}
