import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { settlesWithin, withTimeout } from './with-timeout.ts';

const pending = new Promise<never>(() => {});

it('passes on what settles in time', async () => {
  expect(await withTimeout(Promise.resolve(7), 1_000, 'too slow')).toBe(7);
  await expect(withTimeout(Promise.reject(new Error('failed')), 1_000, 'too slow')).rejects.toThrow(
    'failed',
  );
  expect(await settlesWithin(Promise.resolve(), 1_000)).toBe(true);
});

it('rejects, or says so, after the timeout', async () => {
  await expect(withTimeout(pending, 1, 'too slow')).rejects.toThrow('too slow');
  expect(await settlesWithin(pending, 1)).toBe(false);
});

it('prefers a result that arrived while the process was busy', async () => {
  const work = delay(2, 'result');
  const outcome = withTimeout(work, 1, 'too slow');
  const untilMs = performance.now() + 20;
  while (performance.now() < untilMs);
  expect(await outcome).toBe('result');
});
