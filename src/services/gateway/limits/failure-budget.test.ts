import { expect, it } from 'vitest';
import { createFailureBudget } from './failure-budget.ts';

function planted() {
  const state = { nowMs: 0 };
  const budget = createFailureBudget({
    limit: 3,
    windowMs: 1_000,
    monotonicMs: () => state.nowMs,
  });
  return { state, budget };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

it('lets as many reads run at one time as failures are left, and the others wait in their order', async () => {
  const { budget } = planted();
  const started: number[] = [];
  const enter = (i: number) =>
    budget.enter('a').then((leave) => {
      started.push(i);
      return leave;
    });
  const reads = [0, 1, 2, 3, 4].map(enter);
  await settle();
  expect(started).toEqual([0, 1, 2]);
  (await reads[0]!)();
  await settle();
  expect(started).toEqual([0, 1, 2, 3]);
  // Another address has a line of its own.
  (await budget.enter('b'))();
  budget.recordFailure('a', 1);
  (await reads[1]!)();
  await settle();
  expect(started).toHaveLength(4);
  (await reads[2]!)();
  (await reads[3]!)();
  await settle();
  expect(started).toEqual([0, 1, 2, 3, 4]);
});

it('is spent for a window after the last failure, and whoever pays before need not wait', async () => {
  const { state, budget } = planted();
  budget.recordFailure('a', 0);
  expect([budget.isSpent('a'), budget.isSpent('b')]).toEqual([true, false]);
  await Promise.all(Array.from({ length: 20 }, () => budget.enter('a')));
  state.nowMs = 999;
  expect(budget.isSpent('a')).toBe(true);
  state.nowMs = 1_000;
  expect(budget.isSpent('a')).toBe(false);
});

it('counts by itself while the limiter cannot', () => {
  const { budget } = planted();
  for (let i = 0; i < 3; i += 1) budget.recordFailure('a', null);
  expect(budget.isSpent('a')).toBe(true);
});

it('refuses with 503 where a thousand wait', async () => {
  const { budget } = planted();
  for (let i = 0; i < 1_003; i += 1) void budget.enter('a');
  await expect(budget.enter('a')).rejects.toMatchObject({ status: 503, code: 'credentials-busy' });
});
