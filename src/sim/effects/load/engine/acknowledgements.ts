/** Notifies waiters, such as a fault's trigger, of the next ok answer to an operation of a given name. */
import type { OperationRecord } from '../../../history.ts';
import type { FromSender } from './sender-protocol.ts';

export class Acknowledgements {
  readonly #send: (message: FromSender) => void;
  readonly #waiters = new Map<string, number[]>();

  constructor(send: (message: FromSender) => void) {
    this.#send = send;
  }

  subscribe(waiterId: number, operation: string): void {
    const waiterIds = this.#waiters.get(operation);
    if (waiterIds === undefined) this.#waiters.set(operation, [waiterId]);
    else waiterIds.push(waiterId);
  }

  onRecord({ name, outcome, doneUs: atUs, requestId }: OperationRecord): void {
    if (this.#waiters.size === 0 || outcome !== 'ok') return;
    for (const waiterId of this.#waiters.get(name) ?? []) {
      this.#send({ type: 'acknowledged', waiterId, atUs, requestId });
    }
    this.#waiters.delete(name);
  }
}
