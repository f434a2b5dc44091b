/** Waits until a store is in a state, by polling. */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL_MS = 15;

/** Polls `probe` until it returns true; throws after `limitMs` with the last reason. */
export async function waitUntil(
  what: string,
  probe: () => Promise<true | string>,
  options: { limitMs: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const deadline = performance.now() + options.limitMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const result = await probe().catch((error: Error) => error.message);
    if (result === true) return;
    if (performance.now() > deadline) {
      throw new Error(`${what}: not after ${options.limitMs / 1_000} s: ${result}`);
    }
    await sleep(POLL_INTERVAL_MS);
  }
}
