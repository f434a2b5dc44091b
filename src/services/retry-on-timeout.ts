/**
 * The first query of a starting process. On a machine that is busy starting others it may time out although nothing is
 * wrong, so timeouts are retried for `MAX_RETRY_MS`. Any other error is thrown at once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ServiceError } from './ports.ts';

const MAX_RETRY_MS = 10_000;
const PAUSE_MS = 200;

/** A failed `attempt` must leave nothing behind. @throws the error of the last attempt. */
export async function retryOnTimeout(
  attempt: () => Promise<void>,
  nowMs: () => number = () => performance.now(),
): Promise<void> {
  const untilMs = nowMs() + MAX_RETRY_MS;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (!isTimeout(error) || nowMs() >= untilMs) throw error;
    }
    await delay(PAUSE_MS);
  }
}

/** No connection in time, or a statement cancelled by the server's limit (57014) or by ours. */
const isTimeout = (error: unknown): boolean =>
  error instanceof ServiceError
    ? error.code === 'database-busy' || error.code === 'database-connection-lost'
    : (error as { code?: string }).code === '57014';
