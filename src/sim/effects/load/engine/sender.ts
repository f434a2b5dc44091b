/**
 * The run's handle on the load generator's process. Every wait has a limit, and a generator that dies or
 * reports a fatal error fails whatever is waited for, with the end of its log as the reason.
 */
import type { Workload } from '../../../pure/workload.ts';
import { ChildFailure, startChild, within } from '../../process/child-process.ts';
import type { Lease } from '../../process/lease.ts';
import { distModule, packageRoot } from '../../process/package-root.ts';
import { preferGenerator } from './generator-priority.ts';
import { clockSince } from './monotonic-clock.ts';
import type {
  Acknowledgement,
  FromSender,
  RunSummary,
  SenderInit,
  SenderProgress,
  SenderTotals,
  ToSender,
} from './sender-protocol.ts';

export type { Acknowledgement, RunSummary, SenderProgress, SenderTotals };

/** For answers that need no load to end. */
const ANSWER_LIMIT_MS = 10_000;
/** Longer than any phase: whoever waits for an acknowledgement has a shorter limit of his own. */
const ACKNOWLEDGED_LIMIT_MS = 15 * 60_000;
/** Between the request for a load and its first instant: the message must arrive before it. */
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
  /** Does ahead of a load what takes time and is no part of it. A load may come without. */
  prepare(workload: Workload, seed: number): Promise<void>;
  /** Resolves when every planned operation is recorded and can be read from the history file. */
  run(phase: string, workload: Workload, seed: number): Promise<RunSummary>;
  /** Relabels operations scheduled from now on; resolves with the instant. */
  phase(name: string): Promise<number>;
  /** Grows or shrinks the running population. */
  users(count: number): Promise<void>;
  /** Ends the load: nothing new, and `graceMs` for what is in flight. Resolves once it has ended. */
  stop(graceMs: number): Promise<void>;
  /** The next operation of this name that is answered ok. Fails when the sender is closed before. */
  acknowledged(operation: string, limitMs?: number): Promise<Acknowledgement>;
  totals(): Promise<SenderTotals>;
  onProgress(listener: (progress: SenderProgress) => void): void;
  /** Writes everything out and ends the process. Idempotent. */
  close(): Promise<void>;
}

export async function startSender(options: SenderOptions): Promise<Sender> {
  const { lease, logFile, cores = null, nodeArgs = [], ...init } = options;
  const child = await startChild({
    name: 'sender',
    command: process.execPath,
    args: [...nodeArgs, distModule('sim/effects/load/engine/sender-process.js')],
    env: process.env,
    cwd: packageRoot,
    logFile,
    user: null,
    cores,
    ipc: true,
    lease,
    stopSignals: ['SIGTERM'],
  });
  preferGenerator(child.pid);
  const channel = new Channel((message) => child.process.send(message));
  child.process.on('message', (message) => channel.receive(message as FromSender));
  void child.exited.then((notice) => {
    channel.fail(new ChildFailure(`ended (${notice.status})`, notice));
  });
  let questions = 0;
  let running: Promise<RunSummary> | null = null;
  let closing: Promise<void> | null = null;
  const nowUs = clockSince(init.originUs);

  const close = async () => {
    try {
      if (!child.isExited()) {
        const closed = channel.next('closed', ANSWER_LIMIT_MS);
        channel.post({ type: 'close' });
        channel.reject('acknowledged', new Error('the sender was closed'));
        await closed;
        await within(child.exited, ANSWER_LIMIT_MS);
      }
    } finally {
      await child.stop();
    }
  };

  const sender: Sender = {
    pid: child.pid,
    async prepare() {},
    run(phase, workload, seed) {
      // Until the process has said how long the load may take.
      const finished = channel.next('finished', ANSWER_LIMIT_MS);
      channel.post({ type: 'run', phase, workload, seed, startUs: nowUs() + START_DELAY_US });
      running = finished;
      const forget = () => {
        if (running === finished) running = null;
      };
      finished.then(forget, forget);
      return finished;
    },
    async phase(name) {
      const started = channel.next('phase-started', ANSWER_LIMIT_MS);
      channel.post({ type: 'phase', name });
      return (await started).atUs;
    },
    async users(count) {
      // The answer to `totals` says that the message before it was taken.
      channel.post({ type: 'users', count });
      await sender.totals();
    },
    async stop(graceMs) {
      if (running === null) return;
      channel.post({ type: 'stop', graceMs });
      if (!(await within(running, graceMs + ANSWER_LIMIT_MS))) {
        throw new ChildFailure('did not end its load', child.notice('running'));
      }
    },
    async acknowledged(operation, limitMs = ACKNOWLEDGED_LIMIT_MS) {
      questions += 1;
      const question = questions;
      const answer = channel.next('acknowledged', limitMs, (one) => one.question === question);
      channel.post({ type: 'acknowledged', question, operation });
      const { atUs, requestId } = await answer;
      return { atUs, requestId };
    },
    async totals() {
      const totals = channel.next('totals', ANSWER_LIMIT_MS);
      channel.post({ type: 'totals' });
      const { type: _, ...sums } = await totals;
      return sums;
    },
    onProgress: (listener) => channel.onProgress(listener),
    close() {
      closing ??= close();
      return closing;
    },
  };

  try {
    const ready = channel.next('ready', ANSWER_LIMIT_MS);
    channel.post({ type: 'init', maxInFlight: 10_000, maxConnections: 256, ...init });
    await ready;
  } catch (error) {
    await child.stop();
    throw error;
  }
  return sender;
}

type Answer<Type> = Extract<FromSender, { type: Type }>;

interface Waiter {
  readonly type: FromSender['type'];
  readonly isMeant: (message: never) => boolean;
  readonly setLimit: (limitMs: number) => void;
  readonly resolve: (message: never) => void;
  readonly reject: (error: Error) => void;
}

/** Answers come in the order of the questions of their kind. */
class Channel {
  readonly #send: (message: ToSender) => void;
  readonly #waiters = new Set<Waiter>();
  readonly #listeners: ((progress: SenderProgress) => void)[] = [];
  #failure: Error | null = null;

  constructor(send: (message: ToSender) => void) {
    this.#send = send;
  }

  post(message: ToSender): void {
    if (this.#failure === null) this.#send(message);
  }

  onProgress(listener: (progress: SenderProgress) => void): void {
    this.#listeners.push(listener);
  }

  next<Type extends FromSender['type']>(
    type: Type,
    limitMs: number,
    isMeant: (message: Answer<Type>) => boolean = () => true,
  ): Promise<Answer<Type>> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      let limit: NodeJS.Timeout | undefined;
      const setLimit = (ms: number) => {
        clearTimeout(limit);
        limit = setTimeout(() => {
          this.#waiters.delete(waiter);
          reject(new Error(`the sender did not say ${type} within ${ms / 1000} s`));
        }, ms);
      };
      const waiter: Waiter = {
        type,
        isMeant,
        setLimit,
        resolve: (message) => {
          clearTimeout(limit);
          resolve(message);
        },
        reject: (error) => {
          clearTimeout(limit);
          reject(error);
        },
      };
      this.#waiters.add(waiter);
      setLimit(limitMs);
    });
  }

  receive(message: FromSender): void {
    if (message.type === 'progress') {
      for (const listener of this.#listeners) listener(message);
    } else if (message.type === 'started') {
      // The process notices timeouts within 20 ms; the rest of the slack is for a machine under load.
      const limitMs = START_DELAY_US / 1000 + message.limitMs + ANSWER_LIMIT_MS;
      for (const waiter of this.#waiters) if (waiter.type === 'finished') waiter.setLimit(limitMs);
    } else if (message.type === 'fatal') {
      this.fail(new Error(`the sender failed: ${message.message}`));
    } else {
      const waiter = [...this.#waiters].find(
        ({ type, isMeant }) => type === message.type && isMeant(message as never),
      );
      if (waiter === undefined) return;
      this.#waiters.delete(waiter);
      waiter.resolve(message as never);
    }
  }

  /** Ends the waits for one kind of answer that will not come any more. */
  reject(type: FromSender['type'], error: Error): void {
    for (const waiter of this.#waiters) {
      if (waiter.type !== type) continue;
      this.#waiters.delete(waiter);
      waiter.reject(error);
    }
  }

  fail(error: Error): void {
    this.#failure ??= error;
    for (const waiter of this.#waiters) waiter.reject(this.#failure);
    this.#waiters.clear();
  }
}
