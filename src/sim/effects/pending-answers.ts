/**
 * Waits for messages of a child process, of the sender and of the fault proxy. Every wait has a limit; when the process
 * ends, or says that it failed, all waits are rejected, those to come as well.
 */
import { type Child, ChildFailure } from './process/child-process.ts';

interface Wait<Message> {
  readonly what: string;
  readonly isMatch: (message: Message) => boolean;
  readonly setLimit: (limitMs: number) => void;
  readonly resolve: (message: Message) => void;
  readonly reject: (error: Error) => void;
}

export class PendingAnswers<Message> {
  readonly #waits = new Set<Wait<Message>>();
  readonly #name: string;
  #failure: Error | null = null;

  /** `name` for errors: `the sender`. */
  constructor(name: string, child: Pick<Child, 'exited'>) {
    this.#name = name;
    void child.exited.then((notice) => {
      this.fail(new ChildFailure(`ended (${notice.status})`, notice));
    });
  }

  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** The next message that matches; waits that match alike are served in the order they were made. */
  next<Match extends Message>(
    what: string,
    limitMs: number,
    isMatch: (message: Message) => message is Match,
  ): Promise<Match> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      let limit: NodeJS.Timeout | undefined;
      const settle = (act: () => void) => {
        clearTimeout(limit);
        this.#waits.delete(wait);
        act();
      };
      const setLimit = (ms: number) => {
        clearTimeout(limit);
        limit = setTimeout(() => {
          const error = new Error(`${this.#name} did not answer ${what} within ${ms / 1_000} s`);
          settle(() => reject(error));
        }, ms);
      };
      const wait: Wait<Message> = {
        what,
        isMatch,
        setLimit,
        resolve: (message) => settle(() => resolve(message as Match)),
        reject: (error) => settle(() => reject(error)),
      };
      this.#waits.add(wait);
      setLimit(limitMs);
    });
  }

  /** Resolves the wait that the message answers; one that nobody waits for is dropped. */
  receive(message: Message): void {
    [...this.#waits].find(({ isMatch }) => isMatch(message))?.resolve(message);
  }

  /** From now on. */
  setLimit(what: string, limitMs: number): void {
    for (const wait of this.#waits) if (wait.what === what) wait.setLimit(limitMs);
  }

  /** All waits for `what`. */
  reject(what: string, error: Error): void {
    for (const wait of [...this.#waits]) if (wait.what === what) wait.reject(error);
  }

  /** All waits. The first failure stays. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const wait of [...this.#waits]) wait.reject(this.#failure);
  }
}
