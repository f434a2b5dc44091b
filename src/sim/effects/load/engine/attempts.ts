/**
 * The client's side of one load: an operation is its first attempt and the retries its policy allows, each of them
 * a request and a record of its own, as the same actor. What the attempts say about a credential goes to the
 * credentials; whoever planned the operation hears of it when no further attempt follows.
 */
import type { OperationRecord } from '../../../history.ts';
import { retryAfterUs } from '../../../pure/retry.ts';
import type { Actor } from '../http/placeholders.ts';
import type { CompiledTemplate } from '../http/request-template.ts';
import type { Target } from '../http/target.ts';
import { Alarm } from './alarm.ts';
import type { Begun, Credential, Credentials } from './credentials.ts';
import { DueHeap } from './due-heap.ts';
import type { Clock } from './monotonic-clock.ts';
import type { Operations, Start } from './operations.ts';

/** Retries wait for each other as arrivals do (open-load.ts). */
const WAKE_EVERY_MS = 3;

export interface AttemptsOptions {
  readonly seed: number;
  readonly clock: Clock;
  readonly targets: readonly Target[];
  readonly operations: Operations;
  readonly credentials: Credentials;
  /** Beyond it nobody waits who was told how long to wait. */
  readonly plannedEndUs: number;
  readonly phaseAt: (scheduledUs: number) => string;
}

export interface Wanted {
  readonly template: CompiledTemplate;
  readonly target: number;
  readonly actor: Actor | null;
  /** The actor, when the operation tries to end it. */
  readonly ending: Credential | null;
  readonly scheduledUs: number;
  readonly onDone: (doneUs: number) => void;
}

/** An operation with what its attempts have come to so far. */
class Chain {
  readonly wanted: Wanted;
  readonly index: number;
  attempt = 1;
  firstId: number | null = null;
  doneUs = 0;

  constructor(wanted: Wanted, index: number) {
    this.wanted = wanted;
    this.index = index;
  }
}

/** Classes instead of literals and closures: one of each is made for every request. */
class Attempt implements Start {
  readonly template: CompiledTemplate;
  readonly actor: Actor | null;
  readonly target: Target;
  readonly phase: string;
  readonly scheduledUs: number;
  readonly attempt: number;
  readonly retryOf: number | null;
  readonly #chain: Chain;
  readonly #owner: Attempts;

  constructor(owner: Attempts, chain: Chain, phase: string, target: Target, scheduledUs: number) {
    this.template = chain.wanted.template;
    this.actor = chain.wanted.actor;
    this.target = target;
    this.phase = phase;
    this.scheduledUs = scheduledUs;
    this.attempt = chain.attempt;
    this.retryOf = chain.firstId;
    this.#chain = chain;
    this.#owner = owner;
  }

  onDone(record: OperationRecord, begun: Begun | null): void {
    this.#owner.ended(this.#chain, record, begun);
  }
}

export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #waiting = new DueHeap<Chain>();
  readonly #alarm: Alarm;
  #started = 0;
  #untilUs = Number.POSITIVE_INFINITY;

  constructor(options: AttemptsOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.#startDue(), WAKE_EVERY_MS);
  }

  start(wanted: Wanted): void {
    const { template, actor, ending, scheduledUs } = wanted;
    const chain = new Chain(wanted, this.#started);
    this.#started += 1;
    if (ending !== null) this.#options.credentials.startEnding(ending);
    const first = this.#attemptOf(chain, scheduledUs);
    // Not left out: an arrival the plan made is in the history whatever became of it.
    if (template.acts && actor === null) this.#options.operations.refuse(first, 'no credential');
    else this.#options.operations.start(first);
  }

  /** No retry falls due after this instant; operations that wait for a later one end with what they have. */
  endBy(untilUs: number): void {
    this.#untilUs = untilUs;
    const kept: [number, Chain][] = [];
    const dropped: Chain[] = [];
    for (;;) {
      const dueUs = this.#waiting.nextUs;
      const chain = this.#waiting.pop();
      if (chain === undefined) break;
      if (dueUs <= untilUs) kept.push([dueUs, chain]);
      else dropped.push(chain);
    }
    for (const [dueUs, chain] of kept) this.#waiting.push(dueUs, chain);
    this.#alarm.set(this.#waiting.nextUs);
    for (const chain of dropped) this.#end(chain);
  }

  #startDue(): void {
    const nowUs = this.#options.clock();
    while (this.#waiting.nextUs <= nowUs) {
      const dueUs = this.#waiting.nextUs;
      const chain = this.#waiting.pop()!;
      this.#options.operations.start(this.#attemptOf(chain, dueUs));
    }
    this.#alarm.set(this.#waiting.nextUs);
  }

  #attemptOf(chain: Chain, scheduledUs: number): Attempt {
    const { targets, phaseAt } = this.#options;
    const { template, target } = chain.wanted;
    const moved = template.retry?.elsewhere ? chain.attempt - 1 : 0;
    const where = targets[(target + moved) % targets.length]!;
    return new Attempt(this, chain, phaseAt(scheduledUs), where, scheduledUs);
  }

  /** One attempt is recorded. */
  ended(chain: Chain, record: OperationRecord, begun: Begun | null): void {
    const { credentials } = this.#options;
    const { actor, ending } = chain.wanted;
    if (begun !== null && actor !== null) credentials.begin(actor.account, begun);
    if (ending !== null) credentials.attempted(ending, record.outcome);
    chain.doneUs = record.doneUs;
    const waitUs = this.#waitUs(chain, record);
    const dueUs = record.doneUs + (waitUs ?? 0);
    if (waitUs === null || dueUs > this.#endOf(chain)) {
      this.#end(chain);
      return;
    }
    chain.attempt += 1;
    chain.firstId ??= record.id;
    const isNext = dueUs < this.#waiting.nextUs;
    this.#waiting.push(dueUs, chain);
    if (isNext) this.#alarm.set(dueUs);
  }

  #waitUs({ wanted, index, attempt }: Chain, record: OperationRecord): number | null {
    const { template, actor } = wanted;
    if (template.retry === undefined || (template.acts && actor === null)) return null;
    const { seed } = this.#options;
    const wallMs = template.retry.obeyRetryAfter ? Date.now() : 0;
    return retryAfterUs(template.retry, { seed, operation: index, attempt, record, wallMs });
  }

  #endOf({ wanted: { template } }: Chain): number {
    const { plannedEndUs } = this.#options;
    return template.retry?.obeyRetryAfter ? Math.min(this.#untilUs, plannedEndUs) : this.#untilUs;
  }

  #end({ wanted, doneUs }: Chain): void {
    if (wanted.ending !== null) this.#options.credentials.stopEnding(wanted.ending);
    wanted.onDone(doneUs);
  }
}
