import { expect, it } from 'vitest';
import { createTogether } from './together.ts';

it('asks once for what came in one turn of the event loop, at most so many', async () => {
  const calls: (readonly number[])[] = [];
  const ask = createTogether<number, number>({
    most: 3,
    async askAll(questions) {
      calls.push(questions);
      return questions.map((question) => question * 10);
    },
  });
  expect(await Promise.all([1, 2, 3, 4].map(ask))).toEqual([10, 20, 30, 40]);
  expect(await ask(5)).toBe(50);
  expect(calls).toEqual([[1, 2, 3], [4], [5]]);
});

it('fails for all who asked, and for nobody after them', async () => {
  let failing = true;
  const ask = createTogether<number, number>({
    most: 10,
    async askAll(questions) {
      if (failing) throw new Error('away');
      return questions;
    },
  });
  const asked = await Promise.allSettled([ask(1), ask(2)]);
  expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  failing = false;
  expect(await ask(3)).toBe(3);
});

it('takes no answers that are not one for each question', async () => {
  const ask = createTogether<number, number>({ most: 10, askAll: async () => [1] });
  const asked = await Promise.allSettled([ask(1), ask(2)]);
  expect(asked.every(({ status }) => status === 'rejected')).toBe(true);
});
