/**
 * A process of a testbed whose name outlives it: it can be killed, paused and restarted at the same address. signal()
 * resolves when the signal has taken effect on the process and its descendants. Exits that were asked for are not
 * reported as unexpected. Operations on one process are queued; stop() aborts a restart that is under way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child, ExitNotice } from './child-process.ts';
import { isPaused, isRunning, type ProcessStamp, sendSignal } from './process-table.ts';
import { settlesWithin } from './with-timeout.ts';

export type ControlSignal = 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT';

/** A service may drain for seconds after SIGTERM, and a process of low priority ends late on a busy machine. */
const END_LIMIT_MS = 15_000;
const PAUSE_LIMIT_MS = 2_000;

/** A started process, ready at its address. */
export interface RunningProcess {
  readonly child: Child;
  /** Where its /metrics is, if not at its address; another one after a restart. */
  readonly metricsUrl?: string;
  /** Resolves when this process, and no other, has answered at its address. Bounded. */
  ping(): Promise<unknown>;
}

export interface ControlledOptions {
  readonly name: string;
  readonly running: RunningProcess;
  /** Starts it again at the same address. */
  launch(signal: AbortSignal): Promise<RunningProcess>;
  /** Sent for SIGTERM: at a SIGTERM PostgreSQL waits for its clients without a limit. */
  readonly terminateSignal?: NodeJS.Signals;
  /** From that signal to SIGKILL; default: no SIGKILL. */
  readonly killAfterMs?: number;
  readonly onUnexpectedExit?: ((notice: ExitNotice) => void) | undefined;
}

export class ControlledProcess {
  readonly name: string;
  readonly #options: ControlledOptions;
  readonly #closing = new AbortController();
  readonly #expectedExits = new WeakSet<Child>();
  #running: RunningProcess;
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

  get metricsUrl(): string | undefined {
    return this.#running.metricsUrl;
  }

  /** Its pid and those of its descendants; empty while it is down. */
  pids(): number[] {
    if (this.#child.isExited()) return [];
    return [this.pid, ...this.#child.descendants().map((stamp) => stamp.pid)];
  }

  /** Resolves when the signal has taken effect. No effect on a process that has ended. */
  signal(signal: ControlSignal): Promise<void> {
    return this.#enqueue(() => this.#send(signal));
  }

  /** Stops what is left of it and starts it again on the same port. */
  restart(): Promise<void> {
    return this.#enqueue(async () => {
      this.#expectedExits.add(this.#child);
      await this.#child.stop();
      this.#closing.signal.throwIfAborted();
      this.#running = await this.#options.launch(this.#closing.signal);
      this.#watch(this.#child);
    });
  }

  /** True, or why it does not answer. */
  async probe(): Promise<true | string> {
    if (this.#child.isExited()) return `${this.name} is not running`;
    if (isPaused(this.pid)) return `${this.name} is paused`;
    try {
      await this.#running.ping();
      return true;
    } catch (error) {
      return `${this.name} does not answer: ${(error as Error).message}`;
    }
  }

  /** Idempotent and final: the process cannot be restarted afterwards. */
  stop(): Promise<void> {
    this.#closing.abort(new Error(`${this.name} is being stopped`));
    this.#expectedExits.add(this.#child);
    return this.#enqueue(() => this.#child.stop());
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {}); // The rejection is for the caller, not for the next operation.
    return result;
  }

  #watch(child: Child): void {
    void child.exited.then((notice) => {
      if (!this.#expectedExits.has(child) && !this.#closing.signal.aborted)
        this.#options.onUnexpectedExit?.(notice);
    });
  }

  async #send(signal: ControlSignal): Promise<void> {
    if (this.#child.isExited()) return;
    const { pid } = this;
    if (signal === 'SIGCONT') {
      for (const stamp of this.#child.descendants()) sendSignal(stamp.pid, 'SIGCONT');
      sendSignal(pid, 'SIGCONT');
      return;
    }
    if (signal === 'SIGTERM') {
      this.#expectedExits.add(this.#child);
      sendSignal(pid, this.#options.terminateSignal ?? 'SIGTERM');
      const { killAfterMs } = this.#options;
      if (killAfterMs === undefined) return await this.#waitUntilGone([]);
      if (await settlesWithin(this.#child.exited, killAfterMs)) return;
    }
    // Stopped first, so that the process cannot fork between the listing and the signal.
    sendSignal(pid, 'SIGSTOP');
    const descendants = this.#child.descendants();
    if (signal === 'SIGSTOP') {
      for (const stamp of descendants) sendSignal(stamp.pid, 'SIGSTOP');
      const arePaused = () =>
        isPaused(pid) && descendants.every((stamp) => isPaused(stamp.pid) || !isRunning(stamp));
      if (!(await pollUntil(arePaused, PAUSE_LIMIT_MS)))
        throw new Error(`${this.name} cannot be paused`);
      return;
    }
    this.#expectedExits.add(this.#child);
    for (const stamp of [...descendants, { pid }]) sendSignal(stamp.pid, 'SIGKILL');
    await this.#waitUntilGone(descendants);
  }

  async #waitUntilGone(descendants: readonly ProcessStamp[]): Promise<void> {
    const hasExited = await settlesWithin(this.#child.exited, END_LIMIT_MS);
    const areDescendantsGone = await pollUntil(() => !descendants.some(isRunning), END_LIMIT_MS);
    if (!hasExited || !areDescendantsGone)
      throw new Error(`${this.name} (process ${this.pid}) does not end`);
  }
}

async function pollUntil(condition: () => boolean, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(2);
  }
  return true;
}
