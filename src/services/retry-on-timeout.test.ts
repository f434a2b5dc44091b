import { expect, it } from 'vitest';
import { ServiceError } from './ports.ts';
import { retryOnTimeout } from './retry-on-timeout.ts';

const timeout = () => Object.assign(new Error('canceling statement'), { code: '57014' });
const busy = () =>
  new ServiceError({ status: 503, code: 'database-busy', detail: 'No connection in time.' });

it('retries an attempt that timed out', async () => {
  const failures = [timeout(), busy()];
  let attempts = 0;
  await retryOnTimeout(async () => {
    attempts += 1;
    const failure = failures.shift();
    if (failure) throw failure;
  });
  expect(attempts).toBe(3);
});

it('throws any other error at once', async () => {
  let attempts = 0;
  const fatal = Object.assign(new Error('no such table'), { code: '42P01' });
  const retried = retryOnTimeout(async () => {
    attempts += 1;
    throw fatal;
  });
  await expect(retried).rejects.toBe(fatal);
  expect(attempts).toBe(1);
});

it('gives up after ten seconds of timeouts', async () => {
  let nowMs = 0;
  const retried = retryOnTimeout(
    () => {
      nowMs += 6_000;
      return Promise.reject(timeout());
    },
    () => nowMs,
  );
  await expect(retried).rejects.toMatchObject({ code: '57014' });
  expect(nowMs).toBe(12_000);
});
