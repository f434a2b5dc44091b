/**
 * Runs the operations of one load with retries: each attempt is a request and a record of its own, as the same actor.
 * Outcomes are reported to the credentials; `onDone` is called after the last attempt. Our own because a retry
 * library (cockatiel) draws its jitter from Math.random and hides the attempts: here each wait is drawn from the seed
 * (pure/load/retry.ts), the same in every arm, and every attempt is in the history.
 */
import type { OperationRecord } from '../../../history.ts';
import { retryDelayUs } from '../../../pure/load/retry.ts';
import type { Actor } from '../http/placeholders.ts';
import type { CompiledTemplate } from '../http/request-template.ts';
import type { Target } from '../http/target.ts';
import type { Credential } from './credential.ts';
import type { Credentials, IssuedCredential } from './credentials.ts';
import { DueHeap } from './due-heap.ts';
import type { Clock } from './monotonic-clock.ts';
import type { AttemptStart, Operations } from './operations.ts';
import { PrecisionTimer } from './precision-timer.ts';
import type { Revocation } from './revocation.ts';

/** Retries due within this time are sent in one wake-up, as arrivals are (open-load.ts). */
const WAKE_EVERY_MS = 3;

export interface RetrySchedulerOptions {
  readonly seed: number;
  readonly clock: Clock;
  readonly targets: readonly Target[];
  readonly operations: Operations;
  readonly credentials: Credentials;
  /** A client that obeys Retry-After does not wait beyond it. */
  readonly plannedEndUs: number;
  readonly phaseAt: (scheduledUs: number) => string;
}

export interface ClientOperation {
  readonly template: CompiledTemplate;
  readonly target: number;
  readonly actor: Actor | null;
  /** The actor as a credential, if the operation revokes it or others of its user. */
  readonly revokingCredential: Credential | null;
  readonly scheduledUs: number;
  readonly onDone: (doneUs: number) => void;
}

/** An operation and the state of its attempts. */
class RetrySequence {
  readonly operation: ClientOperation;
  readonly index: number;
  attempt = 1;
  revocation: Revocation | null = null;
  firstId: number | null = null;
  doneUs = 0;

  constructor(operation: ClientOperation, index: number) {
    this.operation = operation;
    this.index = index;
  }
}

/** A class instead of a literal with closures: one is created for every request. */
class Attempt implements AttemptStart {
  readonly template: CompiledTemplate;
  readonly actor: Actor | null;
  readonly target: Target;
  readonly phase: string;
  readonly scheduledUs: number;
  readonly attempt: number;
  readonly retryOf: number | null;
  readonly #sequence: RetrySequence;
  readonly #scheduler: RetryScheduler;

  constructor(
    scheduler: RetryScheduler,
    sequence: RetrySequence,
    phase: string,
    target: Target,
    scheduledUs: number,
  ) {
    this.template = sequence.operation.template;
    this.actor = sequence.operation.actor;
    this.target = target;
    this.phase = phase;
    this.scheduledUs = scheduledUs;
    this.attempt = sequence.attempt;
    this.retryOf = sequence.firstId;
    this.#sequence = sequence;
    this.#scheduler = scheduler;
  }

  onDone(record: OperationRecord, issued: IssuedCredential | null): void {
    this.#scheduler.onAttemptRecorded(this.#sequence, record, issued);
  }
}

export class RetryScheduler {
  readonly #options: RetrySchedulerOptions;
  readonly #waiting = new DueHeap<RetrySequence>();
  readonly #timer: PrecisionTimer;
  #started = 0;
  #retryDeadlineUs = Number.POSITIVE_INFINITY;

  constructor(options: RetrySchedulerOptions) {
    this.#options = options;
    this.#timer = new PrecisionTimer(options.clock, () => this.#startDue(), WAKE_EVERY_MS);
  }

  start(operation: ClientOperation): void {
    const { template, actor, revokingCredential, scheduledUs } = operation;
    const sequence = new RetrySequence(operation, this.#started);
    this.#started += 1;
    if (revokingCredential !== null) {
      const { revokesCredential } = template;
      const scope = typeof revokesCredential === 'string' ? revokesCredential : 'own';
      const { credentials } = this.#options;
      sequence.revocation = credentials.startRevocation(revokingCredential, scope);
    }
    const first = this.#attemptOf(sequence, scheduledUs);
    // Every planned arrival is recorded, also one without a credential.
    if (template.needsActor && actor === null)
      this.#options.operations.refuse(first, 'no credential');
    else this.#options.operations.start(first);
  }

  /** Drops retries due after this instant; their operations end with the last attempt's outcome. */
  limitRetriesTo(untilUs: number): void {
    this.#retryDeadlineUs = untilUs;
    const kept: [number, RetrySequence][] = [];
    const dropped: RetrySequence[] = [];
    for (;;) {
      const dueUs = this.#waiting.nextUs;
      const sequence = this.#waiting.pop();
      if (sequence === undefined) break;
      if (dueUs <= untilUs) kept.push([dueUs, sequence]);
      else dropped.push(sequence);
    }
    for (const [dueUs, sequence] of kept) this.#waiting.push(dueUs, sequence);
    this.#timer.set(this.#waiting.nextUs);
    for (const sequence of dropped) this.#end(sequence);
  }

  #startDue(): void {
    const nowUs = this.#options.clock();
    while (this.#waiting.nextUs <= nowUs) {
      const dueUs = this.#waiting.nextUs;
      const sequence = this.#waiting.pop()!;
      this.#options.operations.start(this.#attemptOf(sequence, dueUs));
    }
    this.#timer.set(this.#waiting.nextUs);
  }

  #attemptOf(sequence: RetrySequence, scheduledUs: number): Attempt {
    const { targets, phaseAt } = this.#options;
    const { template, target } = sequence.operation;
    const targetOffset = template.retry?.onNextInstance ? sequence.attempt - 1 : 0;
    const attemptTarget = targets[(target + targetOffset) % targets.length]!;
    return new Attempt(this, sequence, phaseAt(scheduledUs), attemptTarget, scheduledUs);
  }

  /** Called after an attempt was recorded: schedules the next one or ends the operation. */
  onAttemptRecorded(
    sequence: RetrySequence,
    record: OperationRecord,
    issued: IssuedCredential | null,
  ): void {
    const { credentials } = this.#options;
    const { actor } = sequence.operation;
    const { revocation } = sequence;
    if (issued !== null && actor !== null) {
      const { sentUs } = record;
      credentials.addIssued(actor.account, issued, { sentUs, revocation });
    }
    if (revocation !== null)
      credentials.recordRevocationAttempt(revocation, record.outcome, record.doneUs);
    sequence.doneUs = record.doneUs;
    const waitUs = this.#waitUs(sequence, record);
    const dueUs = record.doneUs + (waitUs ?? 0);
    if (waitUs === null || dueUs > this.#lastRetryUs(sequence)) {
      this.#end(sequence);
      return;
    }
    sequence.attempt += 1;
    sequence.firstId ??= record.id;
    const isNext = dueUs < this.#waiting.nextUs;
    this.#waiting.push(dueUs, sequence);
    if (isNext) this.#timer.set(dueUs);
  }

  #waitUs({ operation, index, attempt }: RetrySequence, record: OperationRecord): number | null {
    const { template, actor } = operation;
    if (template.retry === undefined || (template.needsActor && actor === null)) return null;
    const { seed } = this.#options;
    const wallMs = template.retry.obeyRetryAfter ? Date.now() : 0;
    return retryDelayUs(template.retry, { seed, operation: index, attempt, record, wallMs });
  }

  #lastRetryUs({ operation: { template } }: RetrySequence): number {
    const { plannedEndUs } = this.#options;
    return template.retry?.obeyRetryAfter
      ? Math.min(this.#retryDeadlineUs, plannedEndUs)
      : this.#retryDeadlineUs;
  }

  #end({ operation, revocation, doneUs }: RetrySequence): void {
    if (revocation !== null) this.#options.credentials.finishRevocation(revocation);
    operation.onDone(doneUs);
  }
}
