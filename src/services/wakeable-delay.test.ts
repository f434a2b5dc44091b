import { expect, it } from 'vitest';
import { createWakeableDelay } from './wakeable-delay.ts';

it('ends by itself, or when it is woken', async () => {
  const pause = createWakeableDelay();
  await pause.wait(1);
  const startMs = performance.now();
  const waiting = pause.wait(10_000);
  pause.wake();
  await waiting;
  expect(performance.now() - startMs).toBeLessThan(5_000);
});

it('does not keep a wake for the next pause', async () => {
  const pause = createWakeableDelay();
  pause.wake();
  let hasEnded = false;
  const waiting = pause.wait(10_000).then(() => {
    hasEnded = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(hasEnded).toBe(false);
  pause.wake();
  await waiting;
});
