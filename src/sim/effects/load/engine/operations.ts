/**
 * Operations in flight, each one attempt of a client: from the scheduled instant to exactly one record. It is given
 * up `timeoutMs` after its scheduled instant, wherever it is by then: on the wire it is unknown, still unsent it is
 * a failure. One list in order of those deadlines serves all, because operations start in scheduled order, give or
 * take how late the generator is.
 */
import type { OperationRecord } from '../../../history.ts';
import type { FlightLedger } from '../../../pure/little.ts';
import { classify } from '../../../pure/outcome.ts';
import type { Actor } from '../http/placeholders.ts';
import type { CompiledTemplate } from '../http/request-template.ts';
import type { Target } from '../http/target.ts';
import type { Exchange, KeptHeaders } from '../http/transport.ts';
import { type Begun, readBegun } from './credentials.ts';
import type { Clock } from './monotonic-clock.ts';
import { Queue } from './queue.ts';

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
  readonly actor: Actor | null;
  readonly scheduledUs: number;
  /** 1 for the first. */
  readonly attempt: number;
  /** Id of the first attempt; null on it. */
  readonly retryOf: number | null;
  /** Called once, after the record was written. `begun` is the credential that an ok answer brought. */
  onDone(record: OperationRecord, begun: Begun | null): void;
}

/** Arrivals refused by the in-flight limit are remembered until their deadline; beyond this many, not even that. */
const REFUSED_PER_IN_FLIGHT = 20;

export class Operations {
  readonly #options: OperationsOptions;
  readonly #deadlines = new Queue<Operation>();
  #nextId = 0;
  #inFlight = 0;
  #open = 0;
  #scheduledSumUs = 0;
  #inFlightIntegralUs = 0;

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

  /** Kept beside the records, to be compared with them; see pure/little.ts. */
  get ledger(): Pick<FlightLedger, 'scheduledSumUs' | 'inFlightIntegralUs'> {
    return {
      scheduledSumUs: this.#scheduledSumUs,
      inFlightIntegralUs: this.#inFlightIntegralUs,
    };
  }

  start(start: Start): void {
    const { maxInFlight } = this.#options;
    const operation = this.#create(start);
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

  /** Records an operation that cannot be sent at all. */
  refuse(start: Start, why: string): void {
    this.#create(start).onFailure(why, 0);
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

  #create(start: Start): Operation {
    const operation = new Operation(this.#nextId, start, this.#options, this.#end);
    this.#nextId += 1;
    this.#open += 1;
    this.#scheduledSumUs += start.scheduledUs;
    this.#inFlightIntegralUs -= start.scheduledUs;
    return operation;
  }

  readonly #end = (operation: Operation, doneUs: number): void => {
    this.#open -= 1;
    this.#inFlightIntegralUs += doneUs;
    if (operation.admitted) this.#inFlight -= 1;
  };
}

class Operation implements Exchange {
  readonly id: number;
  readonly start: Start;
  carrier: Exchange['carrier'] = null;
  over = false;
  admitted = false;
  recorded = false;
  #sentUs = -1;
  readonly #options: OperationsOptions;
  readonly #onEnd: (operation: Operation, doneUs: number) => void;

  constructor(
    id: number,
    start: Start,
    options: OperationsOptions,
    onEnd: (operation: Operation, doneUs: number) => void,
  ) {
    this.id = id;
    this.start = start;
    this.#options = options;
    this.#onEnd = onEnd;
  }

  get capture(): boolean {
    const { capture, begins } = this.start.template;
    return capture || begins !== undefined;
  }

  get captureHeaders(): readonly string[] | null {
    return this.start.template.captureHeaders;
  }

  render(): string {
    const { template, target, actor, retryOf } = this.start;
    const requestId = this.#options.requestIdPrefix + this.id;
    return template.render(target, actor, retryOf ?? this.id, requestId);
  }

  sent(): void {
    this.#sentUs = this.#options.clock();
  }

  onAnswer(status: number, body: string | null, headers: KeptHeaders | null): void {
    this.#record(status, null, body, headers);
  }

  onFailure(error: string, status: number): void {
    this.#record(status, error, null, null);
  }

  giveUp(): void {
    this.#record(0, this.#sentUs === -1 ? 'never sent' : 'timeout', null, null);
  }

  #record(
    status: number,
    failure: string | null,
    body: string | null,
    headers: KeptHeaders | null,
  ): void {
    if (this.recorded) return;
    this.recorded = true;
    const { phase, template, target, actor, scheduledUs, attempt, retryOf } = this.start;
    const { requestIdPrefix, nameTargets, clock, onRecord } = this.#options;
    const doneUs = clock();
    this.#onEnd(this, doneUs);
    const sent = this.#sentUs !== -1;
    let verdict = classify({ sent, status, error: failure });
    let begun: Begun | null = null;
    if (template.begins !== undefined && verdict.outcome === 'ok') {
      begun = readBegun(body ?? '', template.begins);
      // The platform may well have made one, but nobody holds it: a malformed answer after the send.
      if (begun === null) verdict = { outcome: 'unknown', error: 'no credential in the answer' };
    }
    const { outcome, error } = verdict;
    const subject = template.anonymous ? undefined : actor?.subject;
    // Absent fields are left out by hand: five spreads in one literal cost more than the rest of it.
    const record: { -readonly [Field in keyof OperationRecord]: OperationRecord[Field] } = {
      kind: 'op',
      id: this.id,
      phase,
      name: template.name,
      user: actor?.id ?? '',
      requestId: requestIdPrefix + this.id,
      scheduledUs,
      sentUs: this.#sentUs,
      doneUs,
      outcome,
      status,
    };
    if (subject !== undefined) record.subject = subject;
    if (nameTargets) record.target = target.name;
    if (retryOf !== null) {
      record.attempt = attempt;
      record.retryOf = retryOf;
    }
    if (error !== null) record.error = error;
    if (body !== null && template.capture) record.body = body;
    if (headers !== null) record.headers = headers;
    onRecord(record);
    this.start.onDone(record, begun);
  }
}
