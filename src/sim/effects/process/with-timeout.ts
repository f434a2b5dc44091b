/** Bounded waits for a promise: the caller goes on after `limitMs`, the promise itself is not cancelled. */
import { setTimeout as sleep } from 'node:timers/promises';

const TIMED_OUT = Symbol('timed out');

/** Rejects after `limitMs`. */
export async function withTimeout<T>(promise: Promise<T>, limitMs: number): Promise<T> {
  const result = await raceTimer(promise, limitMs);
  if (result === TIMED_OUT) throw new Error(`nothing within ${limitMs / 1_000} s`);
  return result;
}

/** False after `limitMs`; a promise that is rejected in time rejects. */
export async function settlesWithin(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  return (await raceTimer(promise, limitMs)) !== TIMED_OUT;
}

async function raceTimer<T>(promise: Promise<T>, limitMs: number): Promise<T | typeof TIMED_OUT> {
  const timer = new AbortController();
  const limit = sleep(limitMs, null, { signal: timer.signal }).then(
    (): typeof TIMED_OUT => TIMED_OUT,
    (): typeof TIMED_OUT => TIMED_OUT,
  );
  try {
    return await Promise.race([promise, limit]);
  } finally {
    timer.abort();
  }
}
