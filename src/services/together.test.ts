import { expect, it } from 'vitest';
import { createTogether } from './together.ts';

it('asks once for what came in one turn of the event loop, at most so many', async () => {
  const calls: (readonly number[])[] = [];
  const ask = createTogether<number, number>({
    ...{ most: 3, atOnce: 2 },
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
    ...{ most: 10, atOnce: 2 },
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
  const ask = createTogether<number, number>({ most: 10, atOnce: 2, askAll: async () => [1] });
  const asked = await Promise.allSettled([ask(1), ask(2)]);
  expect(asked.every(({ status }) => status === 'rejected')).toBe(true);
});

it('lets the next ones gather while so many calls are under way, until they fill one', async () => {
  const calls: { questions: readonly number[]; answer: () => void }[] = [];
  const ask = createTogether<number, number>({
    ...{ most: 3, atOnce: 2 },
    askAll: (questions) =>
      new Promise((resolve) => {
        calls.push({ questions, answer: () => resolve(questions) });
      }),
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const answers: Promise<number>[] = [];
  for (const question of [1, 2, 3, 4]) {
    answers.push(ask(question));
    await turn();
  }
  const asked = () => calls.map(({ questions }) => questions);
  expect(asked()).toEqual([[1], [2]]);
  answers.push(...[5, 6].map(ask));
  expect(asked()).toEqual([[1], [2], [3, 4, 5]]);
  await turn();
  expect(calls).toHaveLength(3);
  // Still two beside: the last one waits for one more of them.
  calls[0]!.answer();
  await turn();
  expect(calls).toHaveLength(3);
  calls[1]!.answer();
  await turn();
  expect(asked()).toEqual([[1], [2], [3, 4, 5], [6]]);
  for (const { answer } of calls) answer();
  expect(await Promise.all(answers)).toEqual([1, 2, 3, 4, 5, 6]);
});

it('asks for those who waited also after a failure', async () => {
  let failing = true;
  const ask = createTogether<number, number>({
    ...{ most: 1, atOnce: 1 },
    async askAll(questions) {
      if (failing) throw new Error('away');
      return questions;
    },
  });
  const first = ask(1).finally(() => {
    failing = false;
  });
  const asked = await Promise.allSettled([first, ask(2)]);
  expect(asked.map(({ status }) => status)).toContain('rejected');
  expect(await ask(3)).toBe(3);
});
