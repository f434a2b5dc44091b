/**
 * Operations in flight: from the scheduled instant to exactly one record. An operation is given up `timeoutMs`
 * after its scheduled instant, wherever it is by then: on the wire it is unknown, still unsent it is a
 * failure. One list in order of those deadlines serves all, because operations start in scheduled order.
 */
import type { OperationRecord } from '../../history.ts';
import { classify } from '../../pure/outcome.ts';
import type { Connection, Exchange } from './connection.ts';
import type { Clock } from './monotonic-clock.ts';
import { Queue } from './queue.ts';
import type { CompiledAccount, CompiledTemplate } from './request-template.ts';
import type { Target } from './target.ts';

export interface OperationsOptions {
  readonly clock: Clock;
  readonly requestIdPrefix: string;
  readonly timeoutUs: number;
  readonly maxInFlight: number;
  /** With one process there is nothing to tell apart. */
  readonly nameTargets: boolean;
  readonly onRecord: (record: OperationRecord) => void;
}

export interface Start {
  readonly phase: string;
  readonly template: CompiledTemplate;
  readonly target: Target;
  readonly account: CompiledAccount | null;
  readonly scheduledUs: number;
  /** Called once, after the record was written. */
  readonly onDone: (doneUs: number) => void;
}

/** Arrivals refused by the in-flight limit are remembered until their deadline; beyond this many, not even that. */
const REFUSED_PER_IN_FLIGHT = 20;

export class Operations {
  readonly #options: OperationsOptions;
  readonly #deadlines = new Queue<Operation>();
  #nextId = 0;
  #inFlight = 0;
  #open = 0;

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  /** Waiting for a connection or an answer. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Started and not yet recorded: those in flight and those refused. */
  get open(): number {
    return this.#open;
  }

  start(start: Start): void {
    const { maxInFlight } = this.#options;
    const operation = new Operation(this.#nextId, start, this.#options, (ended) =>
      this.#end(ended),
    );
    this.#nextId += 1;
    this.#open += 1;
    this.#deadlines.push(operation);
    if (this.#inFlight < maxInFlight) {
      operation.admitted = true;
      this.#inFlight += 1;
      start.target.pool.submit(operation);
    } else if (this.#open > maxInFlight * (1 + REFUSED_PER_IN_FLIGHT)) {
      operation.giveUp();
    }
    // Otherwise it is refused, but keeps ageing until its deadline: recorded at once it would look fast.
  }

  /** Gives up everything whose time has come. Call it often enough for the precision you want. */
  expire(): void {
    const limitUs = this.#options.clock() - this.#options.timeoutUs;
    this.#giveUpWhile((operation) => operation.start.scheduledUs <= limitUs);
  }

  giveUpAll(): void {
    this.#giveUpWhile(() => true);
  }

  #giveUpWhile(isDue: (operation: Operation) => boolean): void {
    for (;;) {
      const operation = this.#deadlines.peek();
      if (operation === undefined || !(operation.recorded || isDue(operation))) return;
      this.#deadlines.shift();
      if (operation.recorded) continue;
      operation.giveUp();
      operation.start.target.pool.cancel(operation);
    }
  }

  #end(operation: Operation): void {
    this.#open -= 1;
    if (operation.admitted) this.#inFlight -= 1;
  }
}

class Operation implements Exchange {
  readonly id: number;
  readonly start: Start;
  connection: Connection | null = null;
  over = false;
  admitted = false;
  recorded = false;
  #sentUs = -1;
  readonly #options: OperationsOptions;
  readonly #onEnd: (operation: Operation) => void;

  constructor(
    id: number,
    start: Start,
    options: OperationsOptions,
    onEnd: (operation: Operation) => void,
  ) {
    this.id = id;
    this.start = start;
    this.#options = options;
    this.#onEnd = onEnd;
  }

  get capture(): boolean {
    return this.start.template.capture;
  }

  toWire(): string {
    const { template, target, account } = this.start;
    const requestId = this.#options.requestIdPrefix + this.id;
    const request = template.render(target, account, this.id, requestId);
    this.#sentUs = this.#options.clock();
    return request;
  }

  onAnswer(status: number, body: string | null): void {
    this.#record(status, null, body);
  }

  onFailure(error: string, status: number): void {
    this.#record(status, error, null);
  }

  giveUp(): void {
    this.#record(0, this.#sentUs === -1 ? 'never sent' : 'timeout', null);
  }

  #record(status: number, failure: string | null, body: string | null): void {
    if (this.recorded) return;
    this.recorded = true;
    const { phase, template, target, account, scheduledUs, onDone } = this.start;
    const doneUs = this.#options.clock();
    const { outcome, error } = classify({ sent: this.#sentUs !== -1, status, error: failure });
    this.#onEnd(this);
    this.#options.onRecord({
      kind: 'op',
      id: this.id,
      phase,
      name: template.name,
      user: account?.id ?? '',
      requestId: this.#options.requestIdPrefix + this.id,
      scheduledUs,
      sentUs: this.#sentUs,
      doneUs,
      outcome,
      status,
      ...(this.#options.nameTargets ? { target: target.name } : {}),
      ...(error === null ? {} : { error }),
      ...(body === null ? {} : { body }),
    });
    onDone(doneUs);
  }
}
