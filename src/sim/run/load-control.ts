/**
 * Drives the sender through an arm's phases: runs one load at a time, resizes a running population, and reads the
 * counters that windows are computed from.
 */
import type {
  Acknowledgement,
  RunSummary,
  Sender,
  SenderProgress,
} from '../effects/load/engine/sender.ts';
import type { CpuSampler } from '../effects/observe/cpu.ts';
import type { SenderTotals } from '../pure/judge/measurements.ts';
import { type LoadTool, timesFromSend } from '../pure/load/load-tool.ts';
import type {
  OpenWorkload,
  OperationTemplate,
  UsersWorkload,
  Workload,
} from '../pure/load/workload.ts';
import { cpuPercentBetween } from '../pure/measure/resources.ts';
import { scheduleDigest } from '../pure/measure/schedule-digest.ts';
import type { ArmName } from '../result.ts';
import type { RunEvent } from './run-events.ts';

/** Upper bound of a population's load; phases stop it long before. */
const USERS_LIMIT_MS = 15 * 60_000;
/** Time for operations in flight when a load stops; after it their outcome is unknown. */
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

/** Operations and think time of `startUsers` and `runOpen`, until the next `setMix`. */
export interface OperationMix {
  readonly operations: readonly OperationTemplate[];
  readonly think: UsersWorkload['think'];
}

const NOTHING_SENT: SenderTotals = {
  planned: 0,
  recorded: 0,
  retries: 0,
  completed: 0,
  responseSumUs: 0,
  scheduledSumUs: 0,
  inFlightIntegralUs: 0,
  scheduleDigest: scheduleDigest([]),
};

export class LoadControl {
  readonly #options: LoadControlOptions;
  #mix: OperationMix = { operations: [], think: { meanMs: 0, shape: 1 } };
  #phase = '';
  #lastTotals: SenderTotals = NOTHING_SENT;
  #population: Promise<RunSummary> | null = null;

  constructor(options: LoadControlOptions) {
    this.#options = options;
    options.sender.onProgress((progress) => this.#emitProgress(progress));
  }

  /** Operations scheduled from now on carry this phase name. */
  async enterPhase(phase: string): Promise<void> {
    this.#phase = phase;
    if (this.#population !== null) await this.#options.sender.phase(phase);
  }

  /** For `startUsers` and `runOpen`. */
  setMix(mix: OperationMix): void {
    this.#mix = mix;
  }

  async totals(): Promise<SenderTotals> {
    this.#lastTotals = await this.#options.sender.totals();
    return this.#lastTotals;
  }

  /** As they were read last, for when the generator is gone. */
  get lastTotals(): SenderTotals {
    return this.#lastTotals;
  }

  /** Resolves with the next operation of this name that ends `ok`. */
  acknowledged(operation: string, limitMs?: number): Promise<Acknowledgement> {
    return this.#options.sender.waitForAcknowledged(operation, limitMs);
  }

  /** Resolves when every operation of the load has ended. */
  async run(workload: Workload, seed = this.#options.seed): Promise<RunSummary> {
    const { sender, signal } = this.#options;
    return abortable(sender.run(this.#phase, workload, seed), signal, () => sender.stop(0));
  }

  /** Open arrivals at a constant rate: Poisson, except for a tool that paces itself. */
  async runOpen(ratePerSecond: number, durationMs: number): Promise<void> {
    await this.run(this.#openWorkload(ratePerSecond, durationMs));
  }

  /** Call before `run` with the same workload and seed: keeps a tool's start-up out of the phase. */
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
    this.#population.catch(() => {}); // the next call to the sender rejects with the cause
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

  #openWorkload(ratePerSecond: number, durationMs: number): OpenWorkload {
    const { operations } = this.#mix;
    const arrivals = timesFromSend(this.#options.tool) ? 'constant' : 'poisson';
    return { kind: 'open', arrivals, stages: [{ ratePerSecond, durationMs }], operations };
  }

  #emitProgress(progress: SenderProgress): void {
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
      type: 'progress',
      arm,
      phase: this.#phase,
      offeredPerSecond,
      achievedPerSecond,
      p50Us,
      p99Us,
      errors,
      inFlight,
      cpuPercent,
    });
  }
}

/** Awaits the work. On abort it stops the load first and then throws the abort reason. */
async function abortable<T>(
  work: Promise<T>,
  signal: AbortSignal,
  stopLoad: () => Promise<unknown>,
): Promise<T> {
  const onAbort = () => {
    stopLoad().catch(() => {}); // the awaited work fails with the cause
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
