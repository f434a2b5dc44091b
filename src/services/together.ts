/**
 * What many ask for in one turn of the event loop, asked for together: one promise of the store, one limit on the wait,
 * one answer for all of them. It goes out when everything that had arrived has been read. A failure is everybody's.
 */

export type AskTogether<Question, Answer> = (question: Question) => Promise<Answer>;

interface Waiting<Question, Answer> {
  readonly questions: Question[];
  readonly resolve: ((answer: Answer) => void)[];
  readonly reject: ((error: Error) => void)[];
}

export function createTogether<Question, Answer>(given: {
  /** Answers in the order of the questions. */
  askAll: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  /** Of one call. */
  most: number;
}): AskTogether<Question, Answer> {
  const { askAll, most } = given;
  let waiting: Waiting<Question, Answer> | null = null;

  const send = async (batch: Waiting<Question, Answer>) => {
    const { questions, resolve, reject } = batch;
    try {
      const answers = await askAll(questions);
      if (answers.length !== questions.length)
        throw new Error(`${answers.length} answers to ${questions.length} questions`);
      for (let i = 0; i < resolve.length; i += 1) resolve[i]!(answers[i]!);
    } catch (error) {
      for (const one of reject) one(error as Error);
    }
  };

  const sendWaiting = () => {
    const batch = waiting;
    waiting = null;
    if (batch) void send(batch);
  };

  return (question) =>
    new Promise((resolve, reject) => {
      if (!waiting) {
        waiting = { questions: [], resolve: [], reject: [] };
        setImmediate(sendWaiting);
      }
      waiting.questions.push(question);
      waiting.resolve.push(resolve);
      waiting.reject.push(reject);
      if (waiting.questions.length >= most) sendWaiting();
    });
}
