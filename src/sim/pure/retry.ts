/**
 * When a client tries again. Full jitter, drawn from the seed, the operation's place in its load and the number
 * of the attempt: how many others had to retry, and when, changes nothing. `fail` with an answer is final unless
 * its status is listed; what may have happened, or was never sent, is tried again. A client that obeys Retry-After
 * waits exactly as long as it was told: a server that spreads its answers sees them spread.
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
  readonly record: Pick<OperationRecord, 'outcome' | 'status' | 'sentUs' | 'headers'>;
  /** Wall clock as it ended, for a Retry-After that is a date. */
  readonly wallMs: number;
}

/** The pause before the next attempt, or null when there is none. */
export function retryAfterUs(policy: RetryPolicy, ended: EndedAttempt): number | null {
  const { outcome, status, sentUs } = ended.record;
  if (outcome === 'ok' || ended.attempt >= policy.attempts) return null;
  if (outcome === 'fail' && sentUs !== -1 && !policy.statuses.includes(status)) return null;
  const told = policy.obeyRetryAfter ? toldUs(ended) : null;
  if (told !== null) return policy.capMs > 0 && told > policy.capMs * 1000 ? null : told;
  const most = Math.min(policy.baseMs * 2 ** (ended.attempt - 1), policy.capMs);
  const random = createRandom(ended.seed).fork('retry').fork(ended.operation).fork(ended.attempt);
  return Math.floor(random.next() * most * 1000);
}

/** What Retry-After says: seconds, or a date. Null when it is absent or says neither. */
function toldUs({ record, wallMs }: EndedAttempt): number | null {
  const text = record.headers?.['retry-after']?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1e6;
  // Date.parse takes much that is no date of HTTP, `-5` for one.
  const untilMs = /^[A-Z][a-z]{2,8}, .+ GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(untilMs) ? null : Math.max(0, untilMs - wallMs) * 1000;
}

/**
 * The longest an operation can take with all its attempts, each given up after `timeoutMs`. Pauses a client was told
 * to make are not in it: they end within the load's planned time.
 */
export function longestMs(policy: RetryPolicy | undefined, timeoutMs: number): number {
  if (policy === undefined) return timeoutMs;
  return policy.attempts * timeoutMs + (policy.attempts - 1) * policy.capMs;
}
