/**
 * The client's side of one load: an operation is its first attempt and the retries its policy allows, each of them
 * a request and a record of its own, as the same actor. What the attempts say about a credential goes to the
 * credentials; whoever planned the operation hears of it when no further attempt follows.
 */
import type { OperationRecord } from '../../history.ts';
import { retryAfterUs } from '../../pure/retry.ts';
import { Alarm } from './alarm.ts';
import type { Begun, Credential, Credentials } from './credentials.ts';
import { DueHeap } from './due-heap.ts';
import type { Clock } from './monotonic-clock.ts';
import type { Operations } from './operations.ts';
import type { Actor, CompiledTemplate } from './request-template.ts';
import type { Target } from './target.ts';

/** Retries wait for each other as arrivals do (open-load.ts). */
const WAKE_EVERY_MS = 3;

export interface AttemptsOptions {
  readonly seed: number;
  readonly clock: Clock;
  readonly targets: readonly Target[];
  readonly operations: Operations;
  readonly credentials: Credentials;
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

interface Chain extends Wanted {
  readonly index: number;
  attempt: number;
  firstId: number | null;
  doneUs: number;
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
    const chain: Chain = { ...wanted, index: this.#started, attempt: 1, firstId: null, doneUs: 0 };
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

  #attemptOf(chain: Chain, scheduledUs: number): Parameters<Operations['start']>[0] {
    const { targets, phaseAt } = this.#options;
    const { template, actor, attempt, firstId, target } = chain;
    const moved = template.retry?.elsewhere ? attempt - 1 : 0;
    return {
      phase: phaseAt(scheduledUs),
      template,
      actor,
      target: targets[(target + moved) % targets.length]!,
      scheduledUs,
      attempt,
      retryOf: firstId,
      onDone: (record, begun) => this.#onDone(chain, record, begun),
    };
  }

  #onDone(chain: Chain, record: OperationRecord, begun: Begun | null): void {
    const { seed, credentials } = this.#options;
    const { template, actor, ending, index: operation, attempt } = chain;
    if (begun !== null && actor !== null) credentials.begin(actor.account, begun);
    if (ending !== null) credentials.attempted(ending, record.outcome);
    chain.doneUs = record.doneUs;
    const isStuck = template.acts && actor === null;
    const waitUs =
      template.retry === undefined || isStuck
        ? null
        : retryAfterUs(template.retry, { seed, operation, attempt, record });
    const dueUs = record.doneUs + (waitUs ?? 0);
    if (waitUs === null || dueUs > this.#untilUs) {
      this.#end(chain);
      return;
    }
    chain.attempt += 1;
    chain.firstId ??= record.id;
    const isNext = dueUs < this.#waiting.nextUs;
    this.#waiting.push(dueUs, chain);
    if (isNext) this.#alarm.set(dueUs);
  }

  #end({ ending, doneUs, onDone }: Chain): void {
    if (ending !== null) this.#options.credentials.stopEnding(ending);
    onDone(doneUs);
  }
}
