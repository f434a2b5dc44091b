/**
 * What a process asks its stores first. On a machine that is busy starting others an answer may be late without anything
 * being wrong: that is asked again for a while. Everything else is told at once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ServiceError } from './ports.ts';

const limitMs = 10_000;
const pauseMs = 200;

/** `ask` is left undone by a failure, so it may be called again. @throws what it threw last. */
export async function startPatiently(
  ask: () => Promise<void>,
  nowMs: () => number = () => performance.now(),
): Promise<void> {
  const untilMs = nowMs() + limitMs;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (!isLate(error) || nowMs() >= untilMs) throw error;
    }
    await delay(pauseMs);
  }
}

/** No connection in time, or a statement that took too long: by the server's limit, or by our own. */
const isLate = (error: unknown): boolean =>
  error instanceof ServiceError
    ? error.code === 'database-busy' || error.code === 'database-connection-lost'
    : (error as { code?: string }).code === '57014';
