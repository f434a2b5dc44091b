import { expect, it } from 'vitest';
import { ServiceError } from './ports.ts';
import { startPatiently } from './start-patiently.ts';

const late = () => Object.assign(new Error('canceling statement'), { code: '57014' });
const busy = () =>
  new ServiceError({ status: 503, code: 'database-busy', detail: 'No connection in time.' });

it('asks again what was only late', async () => {
  const failures = [late(), busy()];
  let asked = 0;
  await startPatiently(async () => {
    asked += 1;
    const failure = failures.shift();
    if (failure) throw failure;
  });
  expect(asked).toBe(3);
});

it('tells at once what is wrong', async () => {
  let asked = 0;
  const wrong = Object.assign(new Error('no such table'), { code: '42P01' });
  const started = startPatiently(async () => {
    asked += 1;
    throw wrong;
  });
  await expect(started).rejects.toBe(wrong);
  expect(asked).toBe(1);
});

it('gives up when it stays late', async () => {
  let nowMs = 0;
  const started = startPatiently(
    () => {
      nowMs += 6_000;
      return Promise.reject(late());
    },
    () => nowMs,
  );
  await expect(started).rejects.toMatchObject({ code: '57014' });
  expect(nowMs).toBe(12_000);
});
