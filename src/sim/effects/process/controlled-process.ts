/**
 * One process of a testbed under a name that outlives it: it can be killed, paused and started again at the same
 * address. A signal resolves when it has taken effect, for the process and everything it started. What we caused
 * is not a death to report. Orders to one process wait for each other; stop() ends a restart that is under way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, type DeathNotice, within } from './child-process.ts';
import { isPaused, isRunning, type ProcessStamp, sendSignal } from './process-table.ts';

export type ControlSignal = 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT';

/** A service may drain for some seconds after SIGTERM, and what has a low priority needs the processor to die. */
const END_LIMIT_MS = 15_000;
const PAUSE_LIMIT_MS = 2_000;

/** A started process, ready at its address. */
export interface Launched {
  readonly child: Child;
  /** Resolves when it, and nobody else, has answered there. Bounded. */
  answers(): Promise<unknown>;
}

export interface ControlledOptions {
  readonly name: string;
  readonly running: Launched;
  /** Starts it again at the same address. */
  launch(signal: AbortSignal): Promise<Launched>;
  /** What SIGTERM means to it: PostgreSQL would wait for its clients for ever. */
  readonly endSignal?: NodeJS.Signals;
  /** From that signal to SIGKILL; default: it is never killed for ignoring it. */
  readonly killAfterMs?: number;
  readonly onDeath?: ((notice: DeathNotice) => void) | undefined;
}

export class ControlledProcess {
  readonly name: string;
  readonly #options: ControlledOptions;
  readonly #closing = new AbortController();
  readonly #expected = new WeakSet<Child>();
  #running: Launched;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ControlledOptions) {
    this.name = options.name;
    this.#options = options;
    this.#running = options.running;
    this.#watch(options.running.child);
  }

  get #child(): Child {
    return this.#running.child;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Its own pid and those of everything it has started; empty while it is down. */
  pids(): number[] {
    if (this.#child.isExited()) return [];
    return [this.pid, ...this.#child.family().map((one) => one.pid)];
  }

  /** Returns when the signal has taken effect. Nothing to do is fine: a dead process stays dead. */
  signal(signal: ControlSignal): Promise<void> {
    return this.#inTurn(() => this.#send(signal));
  }

  /** Ends what is left of it and starts it anew, on the same port. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      this.#expected.add(this.#child);
      await this.#child.stop();
      this.#closing.signal.throwIfAborted();
      this.#running = await this.#options.launch(this.#closing.signal);
      this.#watch(this.#child);
    });
  }

  /** Why it does not answer, or true. */
  async probe(): Promise<true | string> {
    if (this.#child.isExited()) return `${this.name} is not running`;
    if (isPaused(this.pid)) return `${this.name} is paused`;
    try {
      await this.#running.answers();
      return true;
    } catch (error) {
      return `${this.name} does not answer: ${(error as Error).message}`;
    }
  }

  /** Idempotent and final: after it the process cannot be started again. */
  stop(): Promise<void> {
    this.#closing.abort(new Error(`${this.name} is being stopped`));
    this.#expected.add(this.#child);
    return this.#inTurn(() => this.#child.stop());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {}); // The caller gets it; the next order must not.
    return turn;
  }

  #watch(child: Child): void {
    void child.exited.then((notice) => {
      if (!this.#expected.has(child) && !this.#closing.signal.aborted)
        this.#options.onDeath?.(notice);
    });
  }

  async #send(signal: ControlSignal): Promise<void> {
    if (this.#child.isExited()) return;
    const { pid } = this;
    if (signal === 'SIGCONT') {
      for (const one of this.#child.family()) sendSignal(one.pid, 'SIGCONT');
      sendSignal(pid, 'SIGCONT');
      return;
    }
    if (signal === 'SIGTERM') {
      this.#expected.add(this.#child);
      sendSignal(pid, this.#options.endSignal ?? 'SIGTERM');
      const { killAfterMs } = this.#options;
      if (killAfterMs === undefined) return await this.#untilGone([]);
      if (await within(this.#child.exited, killAfterMs)) return;
    }
    // Stopped first, the process cannot start another child between the listing and the signal.
    sendSignal(pid, 'SIGSTOP');
    const family = this.#child.family();
    if (signal === 'SIGSTOP') {
      for (const one of family) sendSignal(one.pid, 'SIGSTOP');
      const held = () =>
        isPaused(pid) && family.every((one) => isPaused(one.pid) || !isRunning(one));
      if (!(await until(held, PAUSE_LIMIT_MS))) throw new Error(`${this.name} cannot be paused`);
      return;
    }
    this.#expected.add(this.#child);
    for (const one of [...family, { pid }]) sendSignal(one.pid, 'SIGKILL');
    await this.#untilGone(family);
  }

  async #untilGone(family: readonly ProcessStamp[]): Promise<void> {
    const gone = await within(this.#child.exited, END_LIMIT_MS);
    const all = await until(() => !family.some(isRunning), END_LIMIT_MS);
    if (!gone || !all) throw new Error(`${this.name} (process ${this.pid}) does not end`);
  }
}

async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(2);
  }
  return true;
}
