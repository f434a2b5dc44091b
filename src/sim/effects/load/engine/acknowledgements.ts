/** Who waits for the next ok answer to an operation of some name: a fault that is tied to it. */
import type { OperationRecord } from '../../../history.ts';
import type { FromSender } from './sender-protocol.ts';

export class Acknowledgements {
  readonly #answer: (message: FromSender) => void;
  readonly #questions = new Map<string, number[]>();

  constructor(answer: (message: FromSender) => void) {
    this.#answer = answer;
  }

  ask(question: number, operation: string): void {
    const asked = this.#questions.get(operation);
    if (asked === undefined) this.#questions.set(operation, [question]);
    else asked.push(question);
  }

  recorded({ name, outcome, doneUs: atUs, requestId }: OperationRecord): void {
    if (this.#questions.size === 0 || outcome !== 'ok') return;
    for (const question of this.#questions.get(name) ?? []) {
      this.#answer({ type: 'acknowledged', question, atUs, requestId });
    }
    this.#questions.delete(name);
  }
}
