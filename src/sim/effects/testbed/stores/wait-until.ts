/** Waiting for a state of a store that only asking can show. */
import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 15;

/** Asks until the answer is true; after `limitMs` throws with the last reason why it was not. */
export async function waitUntil(
  what: string,
  ask: () => Promise<true | string>,
  options: { limitMs: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const deadline = performance.now() + options.limitMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const answer = await ask().catch((error: Error) => error.message);
    if (answer === true) return;
    if (performance.now() > deadline) {
      throw new Error(`${what}: not after ${options.limitMs / 1_000} s: ${answer}`);
    }
    await sleep(PAUSE_MS);
  }
}
