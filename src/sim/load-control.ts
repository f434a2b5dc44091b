/**
 * Drives the sender through an arm's phases: one load at a time, a population that can be resized while it
 * runs, and the counters that windows are measured from.
 */
import type {
  Acknowledgement,
  RunSummary,
  Sender,
  SenderProgress,
  SenderTotals,
} from './effects/load/engine/sender.ts';
import type { CpuSampler } from './effects/observe/cpu.ts';
import { type LoadTool, timesFromSend } from './pure/load-tool.ts';
import { cpuPercentBetween } from './pure/resources.ts';
import type { OpenWorkload, OperationTemplate, UsersWorkload, Workload } from './pure/workload.ts';
import type { ArmName } from './result.ts';
import type { RunEvent } from './run-events.ts';

/** Bound of a population's load, far beyond any phase: phases end it. */
const USERS_LIMIT_MS = 15 * 60_000;
/** What is in flight when a load ends gets this long; then it is an unknown outcome. */
const GRACE_MS = 5_000;

export interface LoadControlOptions {
  readonly arm: ArmName;
  readonly sender: Sender;
  readonly cpu: CpuSampler;
  readonly seed: number;
  /** Null: our own sender. */
  readonly tool: LoadTool | null;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** What populations and open arrivals send until the next mix is named. */
export interface OperationMix {
  readonly operations: readonly OperationTemplate[];
  readonly think: UsersWorkload['think'];
}

export class LoadControl {
  readonly #options: LoadControlOptions;
  #mix: OperationMix = { operations: [], think: { meanMs: 0, shape: 1 } };
  #phase = '';
  #population: Promise<RunSummary> | null = null;

  constructor(options: LoadControlOptions) {
    this.#options = options;
    options.sender.onProgress((progress) => this.#report(progress));
  }

  /** Names what follows; operations scheduled from now on carry the name. */
  async enter(phase: string): Promise<void> {
    this.#phase = phase;
    if (this.#population !== null) await this.#options.sender.phase(phase);
  }

  /** For `startUsers` and `runOpen`. */
  setMix(mix: OperationMix): void {
    this.#mix = mix;
  }

  totals(): Promise<SenderTotals> {
    return this.#options.sender.totals();
  }

  /** The next operation of this name that is answered ok. */
  acknowledged(operation: string, limitMs?: number): Promise<Acknowledgement> {
    return this.#options.sender.acknowledged(operation, limitMs);
  }

  /** One load, until all of it has been answered or given up. */
  async run(workload: Workload, seed = this.#options.seed): Promise<RunSummary> {
    const { sender, signal } = this.#options;
    return abortable(sender.run(this.#phase, workload, seed), signal, () => sender.stop(0));
  }

  /** Open arrivals at a constant rate: Poisson, except where a tool keeps its own time. */
  async runOpen(ratePerSecond: number, durationMs: number): Promise<void> {
    await this.run(this.#open(ratePerSecond, durationMs));
  }

  /** Ahead of `run` with the same workload and seed, so that a tool's start is not in the phase. */
  async prepare(workload: Workload, seed: number): Promise<void> {
    const { sender, signal } = this.#options;
    await abortable(sender.prepare(workload, seed), signal, () => sender.stop(0));
  }

  async startUsers(users: number, startBusy: number): Promise<void> {
    const { sender, seed } = this.#options;
    const { operations, think } = this.#mix;
    const workload: UsersWorkload = {
      kind: 'users',
      users,
      think,
      startBusy,
      durationMs: USERS_LIMIT_MS,
      operations,
    };
    this.#population = sender.run(this.#phase, workload, seed);
    this.#population.catch(() => {}); // the sender's death is reported by whoever waits for it next
  }

  async setUsers(users: number): Promise<void> {
    await this.#options.sender.users(users);
  }

  /** Ends the population's load. Idempotent. */
  async stopUsers(graceMs = GRACE_MS): Promise<void> {
    const population = this.#population;
    if (population === null) return;
    this.#population = null;
    await this.#options.sender.stop(graceMs);
    await population;
  }

  #open(ratePerSecond: number, durationMs: number): OpenWorkload {
    const { operations } = this.#mix;
    const arrivals = timesFromSend(this.#options.tool) ? 'constant' : 'poisson';
    return { kind: 'open', arrivals, stages: [{ ratePerSecond, durationMs }], operations };
  }

  #report(progress: SenderProgress): void {
    const { arm, cpu, onEvent } = this.#options;
    const to = cpu.samples.at(-1);
    const from = cpu.samples.at(-3) ?? cpu.samples[0];
    const cpuPercent: Record<string, number> = {};
    if (from !== undefined && to !== undefined && from !== to) {
      for (const group of Object.keys(to.groups)) {
        cpuPercent[group] = cpuPercentBetween(from, to, group) ?? 0;
      }
    }
    const { offeredPerSecond, achievedPerSecond, p50Us, p99Us, errors, inFlight } = progress;
    onEvent({
      ...{ type: 'progress', arm, phase: this.#phase, offeredPerSecond, achievedPerSecond },
      ...{ p50Us, p99Us, errors, inFlight, cpuPercent },
    });
  }
}

/** Waits for the work; when the run is aborted, ends it first and then throws the reason. */
async function abortable<T>(
  work: Promise<T>,
  signal: AbortSignal,
  end: () => Promise<unknown>,
): Promise<T> {
  const onAbort = () => {
    end().catch(() => {}); // the awaited work fails with the cause
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const result = await work;
    signal.throwIfAborted();
    return result;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
