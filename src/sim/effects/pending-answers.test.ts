import { describe, expect, it } from 'vitest';
import { PendingAnswers } from './pending-answers.ts';
import type { ExitNotice } from './process/child-process.ts';

type Message = { readonly type: 'a' | 'b'; readonly id: number };
const notice: ExitNotice = {
  name: 'sender',
  pid: 1,
  status: 'exit status 9',
  lastLines: [],
  logFile: '/tmp/sender.log',
};
const ofType =
  (type: Message['type']) =>
  (message: Message): message is Message =>
    message.type === type;

function open() {
  let exit: (notice: ExitNotice) => void = () => {};
  const exited = new Promise<ExitNotice>((resolve) => {
    exit = resolve;
  });
  return { answers: new PendingAnswers<Message>('the sender', { exited }), exit };
}

describe('PendingAnswers', () => {
  it('serves the waits that match, in their order, and drops what nobody waits for', async () => {
    const { answers } = open();
    const waits = [
      answers.next('a', 5_000, ofType('a')),
      answers.next('a', 5_000, ofType('a')),
      answers.next('b', 5_000, ofType('b')),
    ];
    for (const message of [
      { type: 'b', id: 1 },
      { type: 'a', id: 2 },
      { type: 'a', id: 3 },
      { type: 'a', id: 4 },
    ] as const)
      answers.receive(message);
    expect((await Promise.all(waits)).map(({ id }) => id)).toEqual([2, 3, 1]);
  });

  it('rejects a wait at its limit, which can be moved', async () => {
    const { answers } = open();
    const moved = answers.next('b', 1, ofType('b'));
    answers.setLimit('b', 60_000);
    await expect(answers.next('a', 20, ofType('a'))).rejects.toThrow(
      'the sender did not answer a within 0.02 s',
    );
    answers.receive({ type: 'b', id: 7 });
    expect((await moved).id).toBe(7);
  });

  it('rejects all waits when the process ends, and those to come, with the first failure', async () => {
    const { answers, exit } = open();
    const wait = answers.next('a', 60_000, ofType('a'));
    exit(notice);
    await expect(wait).rejects.toThrow('sender ended (exit status 9)');
    answers.fail(new Error('later'));
    await expect(answers.next('a', 60_000, ofType('a'))).rejects.toThrow('exit status 9');
    expect(answers.hasFailed).toBe(true);
  });

  it('rejects the waits of one kind alone', async () => {
    const { answers } = open();
    const [a, b] = [answers.next('a', 60_000, ofType('a')), answers.next('b', 60_000, ofType('b'))];
    answers.reject('a', new Error('closed'));
    await expect(a).rejects.toThrow('closed');
    answers.receive({ type: 'b', id: 1 });
    expect((await b).id).toBe(1);
  });
});
