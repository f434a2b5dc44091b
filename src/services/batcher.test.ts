import { expect, it } from 'vitest';
import { createBatcher } from './batcher.ts';

it('sends the calls of one turn of the event loop together, at most maxBatchSize at a time', async () => {
  const batches: (readonly number[])[] = [];
  const call = createBatcher<number, number>({
    maxBatchSize: 3,
    maxConcurrency: 2,
    async sendBatch(items) {
      batches.push(items);
      return items.map((item) => item * 10);
    },
  });
  expect(await Promise.all([1, 2, 3, 4].map(call))).toEqual([10, 20, 30, 40]);
  expect(await call(5)).toBe(50);
  expect(batches).toEqual([[1, 2, 3], [4], [5]]);
});

it('rejects every call of a failed batch, and no later one', async () => {
  let isFailing = true;
  const call = createBatcher<number, number>({
    maxBatchSize: 10,
    maxConcurrency: 2,
    async sendBatch(items) {
      if (isFailing) throw new Error('connection lost');
      return items;
    },
  });
  const outcomes = await Promise.allSettled([call(1), call(2)]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  isFailing = false;
  expect(await call(3)).toBe(3);
});

it('rejects a batch that has not one result for each item', async () => {
  const call = createBatcher<number, number>({
    maxBatchSize: 10,
    maxConcurrency: 2,
    sendBatch: async () => [1],
  });
  const outcomes = await Promise.allSettled([call(1), call(2)]);
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
});

it('sends only full batches while maxConcurrency are in flight', async () => {
  const batches: { items: readonly number[]; answer: () => void }[] = [];
  const call = createBatcher<number, number>({
    maxBatchSize: 3,
    maxConcurrency: 2,
    sendBatch: (items) =>
      new Promise((resolve) => {
        batches.push({ items, answer: () => resolve(items) });
      }),
  });
  const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
  const results: Promise<number>[] = [];
  for (const item of [1, 2, 3, 4]) {
    results.push(call(item));
    await nextTurn();
  }
  const sent = () => batches.map(({ items }) => items);
  expect(sent()).toEqual([[1], [2]]);
  results.push(call(5), call(6));
  expect(sent()).toEqual([[1], [2], [3, 4, 5]]);
  await nextTurn();
  expect(batches).toHaveLength(3);
  // Two are still in flight: item 6 waits until one more of them ends.
  batches[0]!.answer();
  await nextTurn();
  expect(batches).toHaveLength(3);
  batches[1]!.answer();
  await nextTurn();
  expect(sent()).toEqual([[1], [2], [3, 4, 5], [6]]);
  for (const { answer } of batches) answer();
  expect(await Promise.all(results)).toEqual([1, 2, 3, 4, 5, 6]);
});

it('sends the pending batch also after a failed one', async () => {
  let isFailing = true;
  const call = createBatcher<number, number>({
    maxBatchSize: 1,
    maxConcurrency: 1,
    async sendBatch(items) {
      if (isFailing) throw new Error('connection lost');
      return items;
    },
  });
  const first = call(1).finally(() => {
    isFailing = false;
  });
  const outcomes = await Promise.allSettled([first, call(2)]);
  expect(outcomes.map(({ status }) => status)).toContain('rejected');
  expect(await call(3)).toBe(3);
});
