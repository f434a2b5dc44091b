/**
 * The run's client of the load generator's process. Every wait has a limit; a generator that dies or reports a fatal
 * error rejects all pending waits, with the end of its log as the reason.
 */
import type { SenderTotals } from '../../../pure/judge/measurements.ts';
import type { Workload } from '../../../pure/load/workload.ts';
import { PendingAnswers } from '../../pending-answers.ts';
import { type Child, ChildFailure, startOwnChild } from '../../process/child-process.ts';
import type { Lease } from '../../process/lease.ts';
import { distModule, packageRoot } from '../../process/package-root.ts';
import { settlesWithin } from '../../process/with-timeout.ts';
import { preferGenerator } from './generator-priority.ts';
import { type Clock, clockSince } from './monotonic-clock.ts';
import type {
  Acknowledgement,
  FromSender,
  RunSummary,
  SenderInit,
  SenderProgress,
  ToSender,
} from './sender-protocol.ts';

export type { Acknowledgement, RunSummary, SenderProgress };

/** For messages that do not wait for a load to end. */
const ANSWER_LIMIT_MS = 10_000;
/** Longer than any phase: the callers have shorter limits. */
const ACKNOWLEDGED_LIMIT_MS = 15 * 60_000;
/** From the `run` message to the load's first instant, by which the message must have arrived. */
const START_DELAY_US = 100_000;

export interface SenderOptions extends Omit<SenderInit, 'type' | 'maxInFlight' | 'maxConnections'> {
  /** Default 10,000. */
  readonly maxInFlight?: number;
  /** Default 256. */
  readonly maxConnections?: number;
  readonly lease: Lease;
  readonly logFile: string;
  /** A `taskset -c` list; default any core. */
  readonly cores?: string | null;
  /** Flags for node itself, for instance `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
}

export interface Sender {
  readonly pid: number;
  /** Optional: does slow preparation of a load before it starts. */
  prepare(workload: Workload, seed: number): Promise<void>;
  /** Resolves when every planned operation is recorded and can be read from the history file. */
  run(phase: string, workload: Workload, seed: number): Promise<RunSummary>;
  /** Relabels operations scheduled from now on; resolves with the instant. */
  phase(name: string): Promise<number>;
  /** Grows or shrinks the running population. */
  users(count: number): Promise<void>;
  /** Ends the load: no new operations, `graceMs` for those in flight. Resolves when it has ended. */
  stop(graceMs: number): Promise<void>;
  /** The next operation of this name that is answered ok. Rejects when the sender is closed first. */
  waitForAcknowledged(operation: string, limitMs?: number): Promise<Acknowledgement>;
  totals(): Promise<SenderTotals>;
  onProgress(listener: (progress: SenderProgress) => void): void;
  /** Writes everything out and ends the process. Idempotent. */
  close(): Promise<void>;
}

export async function startSender(options: SenderOptions): Promise<Sender> {
  const { lease, logFile, cores = null, nodeArgs = [], ...init } = options;
  const child = await startOwnChild({
    name: 'sender',
    module: distModule('sim/effects/load/engine/sender-process.js'),
    nodeArgs,
    cwd: packageRoot,
    logFile,
    cores,
    lease,
  });
  preferGenerator(child.pid);
  const sender = new ProcessSender(child, init.originUs);
  try {
    await sender.initialize({ type: 'init', maxInFlight: 10_000, maxConnections: 256, ...init });
  } catch (error) {
    await child.stop();
    throw error;
  }
  return sender;
}

/** A generator in a child process of its own. */
class ProcessSender implements Sender {
  readonly #child: Child;
  readonly #channel: Channel;
  readonly #nowUs: Clock;
  #lastWaiterId = 0;
  #running: Promise<RunSummary> | null = null;
  #closing: Promise<void> | null = null;

  constructor(child: Child, originUs: number) {
    this.#child = child;
    this.#channel = new Channel(child);
    this.#nowUs = clockSince(originUs);
  }

  get pid(): number {
    return this.#child.pid;
  }

  async initialize(message: SenderInit): Promise<void> {
    const ready = this.#channel.next('ready', ANSWER_LIMIT_MS);
    this.#channel.post(message);
    await ready;
  }

  async prepare(): Promise<void> {}

  run(phase: string, workload: Workload, seed: number): Promise<RunSummary> {
    // Extended when the process reports how long the load may take.
    const finished = this.#channel.next('finished', ANSWER_LIMIT_MS);
    const startUs = this.#nowUs() + START_DELAY_US;
    this.#channel.post({ type: 'run', phase, workload, seed, startUs });
    this.#running = finished;
    const clearRunning = () => {
      if (this.#running === finished) this.#running = null;
    };
    finished.then(clearRunning, clearRunning);
    return finished;
  }

  async phase(name: string): Promise<number> {
    const started = this.#channel.next('phase-started', ANSWER_LIMIT_MS);
    this.#channel.post({ type: 'phase', name });
    return (await started).atUs;
  }

  async users(count: number): Promise<void> {
    // Messages are handled in order: the answer to `totals` proves that this one was handled.
    this.#channel.post({ type: 'users', count });
    await this.totals();
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#running === null) return;
    this.#channel.post({ type: 'stop', graceMs });
    if (!(await settlesWithin(this.#running, graceMs + ANSWER_LIMIT_MS))) {
      throw new ChildFailure('did not end its load', this.#child.notice('running'));
    }
  }

  async waitForAcknowledged(
    operation: string,
    limitMs = ACKNOWLEDGED_LIMIT_MS,
  ): Promise<Acknowledgement> {
    this.#lastWaiterId += 1;
    const waiterId = this.#lastWaiterId;
    const answer = this.#channel.next('acknowledged', limitMs, (one) => one.waiterId === waiterId);
    this.#channel.post({ type: 'acknowledged', waiterId, operation });
    const { atUs, requestId } = await answer;
    return { atUs, requestId };
  }

  async totals(): Promise<SenderTotals> {
    const totals = this.#channel.next('totals', ANSWER_LIMIT_MS);
    this.#channel.post({ type: 'totals' });
    const { type: _, ...sums } = await totals;
    return sums;
  }

  onProgress(listener: (progress: SenderProgress) => void): void {
    this.#channel.onProgress(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      if (!this.#child.isExited()) {
        const closed = this.#channel.next('closed', ANSWER_LIMIT_MS);
        this.#channel.post({ type: 'close' });
        this.#channel.reject('acknowledged', new Error('the sender was closed'));
        await closed;
        await settlesWithin(this.#child.exited, ANSWER_LIMIT_MS);
      }
    } finally {
      await this.#child.stop();
    }
  }
}

type Answer<Type> = Extract<FromSender, { type: Type }>;

/** Answers of one type arrive in the order of their requests. */
class Channel {
  readonly #send: (message: ToSender) => void;
  readonly #answers: PendingAnswers<FromSender>;
  readonly #listeners: ((progress: SenderProgress) => void)[] = [];

  constructor(child: Child) {
    this.#send = (message) => child.process.send(message);
    this.#answers = new PendingAnswers('the sender', child);
    child.process.on('message', (message) => this.#receive(message as FromSender));
  }

  post(message: ToSender): void {
    if (!this.#answers.hasFailed) this.#send(message);
  }

  onProgress(listener: (progress: SenderProgress) => void): void {
    this.#listeners.push(listener);
  }

  next<Type extends FromSender['type']>(
    type: Type,
    limitMs: number,
    isMatch: (message: Answer<Type>) => boolean = () => true,
  ): Promise<Answer<Type>> {
    return this.#answers.next(
      type,
      limitMs,
      (message): message is Answer<Type> =>
        message.type === type && isMatch(message as Answer<Type>),
    );
  }

  reject(type: FromSender['type'], error: Error): void {
    this.#answers.reject(type, error);
  }

  #receive(message: FromSender): void {
    if (message.type === 'progress') {
      for (const listener of this.#listeners) listener(message);
    } else if (message.type === 'started') {
      // The process notices timeouts within 20 ms; the rest of the slack is for a machine under load.
      const limitMs = START_DELAY_US / 1000 + message.limitMs + ANSWER_LIMIT_MS;
      this.#answers.setLimit('finished', limitMs);
    } else if (message.type === 'fatal') {
      this.#answers.fail(new Error(`the sender failed: ${message.message}`));
    } else this.#answers.receive(message);
  }
}
