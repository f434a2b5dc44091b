/**
 * What many ask for in one turn of the event loop, asked for together: one promise of the store, one limit on the wait,
 * one answer for all of them. A failure is everybody's. While `atOnce` calls are under way the next ones gather until
 * they are `most`, so that calls grow with the load before their number does; nobody waits longer than one call takes.
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
  /** Calls under way beside which only full ones are sent. */
  atOnce: number;
}): AskTogether<Question, Answer> {
  const { askAll, most, atOnce } = given;
  let gathering: Waiting<Question, Answer> | null = null;
  let underWay = 0;
  let scheduled = false;

  const send = async ({ questions, resolve, reject }: Waiting<Question, Answer>) => {
    underWay += 1;
    try {
      const answers = await askAll(questions);
      if (answers.length !== questions.length)
        throw new Error(`${answers.length} answers to ${questions.length} questions`);
      for (let i = 0; i < resolve.length; i += 1) resolve[i]!(answers[i]!);
    } catch (error) {
      for (const one of reject) one(error as Error);
    }
    underWay -= 1;
    if (underWay < atOnce) sendGathered();
  };

  const sendGathered = () => {
    const batch = gathering;
    gathering = null;
    if (batch) void send(batch);
  };
  /** When everything that had arrived has been read. */
  const sendInTurn = () => {
    scheduled = false;
    if (underWay < atOnce) sendGathered();
  };

  return (question) =>
    new Promise((resolve, reject) => {
      gathering ??= { questions: [], resolve: [], reject: [] };
      gathering.questions.push(question);
      gathering.resolve.push(resolve);
      gathering.reject.push(reject);
      if (gathering.questions.length >= most) {
        sendGathered();
      } else if (!scheduled) {
        scheduled = true;
        setImmediate(sendInTurn);
      }
    });
}
