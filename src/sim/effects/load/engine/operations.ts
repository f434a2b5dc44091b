/**
 * Attempts in flight, each from its scheduled instant to exactly one record. An attempt is given up `timeoutMs` after its
 * scheduled instant: once sent its outcome is unknown, unsent it is a failure. One queue in order of the deadlines serves
 * all, because operations start in scheduled order, up to the generator's lag.
 */
import type { OperationRecord } from '../../../history.ts';
import type { SenderTotals } from '../../../pure/judge/measurements.ts';
import { classify } from '../../../pure/measure/outcome.ts';
import { ScheduleDigest } from '../../../pure/measure/schedule-digest.ts';
import type { Actor } from '../http/placeholders.ts';
import type { CompiledTemplate } from '../http/request-template.ts';
import type { Target } from '../http/target.ts';
import type { Exchange, KeptHeaders } from '../http/transport.ts';
import { type IssuedCredential, readIssuedCredential } from './credentials.ts';
import type { Clock } from './monotonic-clock.ts';
import { Queue } from './queue.ts';

export interface OperationsOptions {
  readonly clock: Clock;
  readonly requestIdPrefix: string;
  readonly timeoutUs: number;
  readonly maxInFlight: number;
  /** Records the target; false when there is only one. */
  readonly nameTargets: boolean;
  readonly onRecord: (record: OperationRecord) => void;
}

export interface AttemptStart {
  readonly phase: string;
  readonly template: CompiledTemplate;
  readonly target: Target;
  readonly actor: Actor | null;
  readonly scheduledUs: number;
  /** 1 for the first. */
  readonly attempt: number;
  /** Id of the first attempt; null on it. */
  readonly retryOf: number | null;
  /** Called once, after the record was written. `issued` is the credential in an ok answer. */
  onDone(record: OperationRecord, issued: IssuedCredential | null): void;
}

/** Arrivals refused by the in-flight limit are kept until their deadline, up to this multiple of the limit. */
const REFUSED_PER_IN_FLIGHT = 20;

export class Operations {
  readonly #options: OperationsOptions;
  /** In each queue, operations of one timeout in the order of their deadlines. */
  readonly #deadlines = new Map<number, Queue<Operation>>();
  #nextId = 0;
  #inFlight = 0;
  #open = 0;
  #scheduledSumUs = 0;
  #inFlightIntegralUs = 0;
  readonly #schedule = new ScheduleDigest();

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

  /** Counted independently of the records, to be compared with them. */
  get flightTotals(): Pick<
    SenderTotals,
    'scheduledSumUs' | 'inFlightIntegralUs' | 'scheduleDigest'
  > {
    return {
      scheduledSumUs: this.#scheduledSumUs,
      inFlightIntegralUs: this.#inFlightIntegralUs,
      scheduleDigest: this.#schedule.text,
    };
  }

  start(start: AttemptStart): void {
    const { maxInFlight } = this.#options;
    const operation = this.#create(start);
    this.#deadlinesOf(start.template).push(operation);
    if (this.#inFlight < maxInFlight) {
      operation.admitted = true;
      this.#inFlight += 1;
      start.target.pool.submit(operation);
    } else if (this.#open > maxInFlight * (1 + REFUSED_PER_IN_FLIGHT)) {
      operation.giveUp();
    }
    // Otherwise it is refused, and recorded at its deadline: recorded at once it would look fast.
  }

  /** Records an operation that cannot be sent at all. */
  refuse(start: AttemptStart, why: string): void {
    this.#create(start).onFailure(why, 0);
  }

  /** Gives up every operation past its deadline. The caller's interval is the precision. */
  expire(): void {
    const nowUs = this.#options.clock();
    for (const [timeoutUs, operations] of this.#deadlines)
      this.#giveUpUntil(operations, nowUs - timeoutUs);
  }

  giveUpAll(): void {
    for (const operations of this.#deadlines.values())
      this.#giveUpUntil(operations, Number.POSITIVE_INFINITY);
  }

  #deadlinesOf({ timeoutMs }: CompiledTemplate): Queue<Operation> {
    const timeoutUs = timeoutMs === undefined ? this.#options.timeoutUs : timeoutMs * 1_000;
    let operations = this.#deadlines.get(timeoutUs);
    if (operations === undefined) {
      operations = new Queue();
      this.#deadlines.set(timeoutUs, operations);
    }
    return operations;
  }

  #giveUpUntil(operations: Queue<Operation>, scheduledUs: number): void {
    for (;;) {
      const operation = operations.peek();
      if (operation === undefined) return;
      if (!operation.recorded && operation.start.scheduledUs > scheduledUs) return;
      operations.shift();
      if (operation.recorded) continue;
      operation.giveUp();
      operation.start.target.pool.cancel(operation);
    }
  }

  #create(start: AttemptStart): Operation {
    const operation = new Operation(this.#nextId, start, this.#options, this.#end);
    this.#nextId += 1;
    this.#open += 1;
    this.#schedule.add({
      id: operation.id,
      name: start.template.name,
      scheduledUs: start.scheduledUs,
    });
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
  readonly start: AttemptStart;
  connection: Exchange['connection'] = null;
  isAbandoned = false;
  admitted = false;
  recorded = false;
  #sentUs = -1;
  readonly #options: OperationsOptions;
  readonly #onEnd: (operation: Operation, doneUs: number) => void;

  constructor(
    id: number,
    start: AttemptStart,
    options: OperationsOptions,
    onEnd: (operation: Operation, doneUs: number) => void,
  ) {
    this.id = id;
    this.start = start;
    this.#options = options;
    this.#onEnd = onEnd;
  }

  get capture(): boolean {
    const { capture, issuesCredential } = this.start.template;
    return capture || issuesCredential !== undefined;
  }

  get captureHeaders(): readonly string[] | null {
    return this.start.template.captureHeaders;
  }

  render(): string {
    const { template, target, actor, retryOf } = this.start;
    const requestId = this.#options.requestIdPrefix + this.id;
    return template.render(target, actor, retryOf ?? this.id, requestId);
  }

  onSent(): void {
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
    let classified = classify({ sent, status, error: failure });
    let issued: IssuedCredential | null = null;
    if (template.issuesCredential !== undefined && classified.outcome === 'ok') {
      issued = readIssuedCredential(body ?? '', template.issuesCredential);
      // The platform may have issued one that the client does not know: a malformed answer after the send.
      if (issued === null)
        classified = { outcome: 'unknown', error: 'no credential in the answer' };
    }
    const { outcome, error } = classified;
    const subject = template.anonymous ? undefined : actor?.subject;
    // Absent fields are assigned one by one: five spreads in one literal cost more than the rest of it.
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
    this.start.onDone(record, issued);
  }
}
