/** A wait that ends: whatever a promise does, its caller goes on after `limitMs`. */
import { setTimeout as sleep } from 'node:timers/promises';

export async function withTimeout<T>(promise: Promise<T>, limitMs: number): Promise<T> {
  const timer = new AbortController();
  const limit = sleep(limitMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`nothing within ${limitMs / 1_000} s`);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    timer.abort();
    limit.catch(() => {}); // Aborted: nobody waits for it any more.
  }
}
