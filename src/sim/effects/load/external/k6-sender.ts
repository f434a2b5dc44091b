/**
 * k6 as a generator of open loads: a process for each load, with our requests in its script. What it writes of
 * each request is read while it runs. Its instants are wall clock; how far that is from the run's own clock is
 * measured as each load begins.
 */
import { readFileSync } from 'node:fs';
import type { Account, OpenWorkload, Workload } from '../../../pure/workload.ts';
import { ChildFailure, within } from '../../process/child-process.ts';
import { type Clock, clockSince } from '../engine/monotonic-clock.ts';
import { WINDOW_MS } from '../engine/progress.ts';
import { constantLoad, type PlannedRequest, planRequests } from '../engine/request-plan.ts';
import type {
  RunSummary,
  Sender,
  SenderOptions,
  SenderProgress,
  SenderTotals,
} from '../engine/sender.ts';
import { type K6Process, startK6 } from './k6-process.ts';
import { K6Samples } from './k6-samples.ts';
import { ToolLedger } from './tool-ledger.ts';

const READ_EVERY_MS = 100;
/** Its end, and a machine under load. */
const END_LIMIT_MS = 15_000;
/** It begins one more than its rate says; requests beyond the asked duration stay unused. */
const SPARE_MS = 1_000;

interface Prepared {
  readonly plan: readonly PlannedRequest[];
  readonly k6: K6Process;
  readonly durationMs: number;
}

export class K6Sender implements Sender {
  readonly #options: SenderOptions;
  readonly #clock: Clock;
  readonly #ledger: ToolLedger;
  readonly #listeners: ((progress: SenderProgress) => void)[] = [];
  #nextId = 0;
  #preparing: Promise<Prepared> | null = null;
  #k6: K6Process | null = null;
  #isStopping = false;
  #closing: Promise<void> | null = null;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#clock = clockSince(options.originUs);
    this.#ledger = new ToolLedger(options.historyFile, this.#clock);
  }

  /** 0 while there is none. */
  get pid(): number {
    return this.#k6?.child.pid ?? 0;
  }

  async prepare(workload: Workload, seed: number): Promise<void> {
    this.#preparing ??= this.#prepare(workload, seed);
    await this.#preparing;
  }

  async run(phase: string, workload: Workload, seed: number): Promise<RunSummary> {
    await this.prepare(workload, seed);
    const { plan, k6, durationMs } = await this.#preparing!;
    this.#preparing = null;
    const samples = new K6Samples(k6.samplesFile, plan, this.#ledger);
    const startedUs = this.#clock();
    const clocks = { startedUs, wallShiftUs: wallShiftUs(this.#clock) };
    this.#ledger.begin(phase, plan, startedUs);
    samples.begin(clocks);
    const timer = setInterval(() => this.#report(), WINDOW_MS);
    try {
      k6.open();
      await this.#follow(k6, samples, durationMs + this.#options.timeoutMs + END_LIMIT_MS);
      samples.end(this.#clock());
      return await this.#ledger.end();
    } finally {
      clearInterval(timer);
      samples.close();
      this.#k6 = null;
      await k6.remove();
    }
  }

  phase(): Promise<number> {
    return Promise.reject(new Error('k6 has one phase'));
  }

  users(): Promise<void> {
    return Promise.reject(new Error('k6 plays no users here'));
  }

  acknowledged(): Promise<never> {
    return Promise.reject(new Error('nothing can wait for an operation of k6'));
  }

  /** k6 knows no grace: what is in flight is interrupted, and may have happened. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#k6?.child.stop();
  }

  async totals(): Promise<SenderTotals> {
    return this.#ledger.totals();
  }

  onProgress(listener: (progress: SenderProgress) => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#isStopping = true;
    await this.#k6?.remove();
    await this.#ledger.close();
  }

  async #prepare(workload: Workload, seed: number): Promise<Prepared> {
    const load = constantLoad(workload);
    const { accountsFile, targets, requestIdPrefix } = this.#options;
    const accounts = JSON.parse(readFileSync(accountsFile, 'utf8')) as readonly Account[];
    const stages = [{ ...load, durationMs: load.durationMs + SPARE_MS }];
    const plan = planRequests(
      { ...(workload as OpenWorkload), stages },
      {
        ...{ seed, accounts, targets, requestIdPrefix, firstId: this.#nextId },
      },
    );
    this.#nextId += plan.length;
    this.#isStopping = false;
    const k6 = await startK6(plan, load, this.#options);
    this.#k6 = k6;
    return { plan, k6, durationMs: load.durationMs };
  }

  async #follow({ child }: K6Process, samples: K6Samples, limitMs: number): Promise<void> {
    const limitUs = this.#clock() + limitMs * 1_000;
    while (!(await within(child.exited, READ_EVERY_MS))) {
      samples.read();
      if (this.#clock() > limitUs) {
        throw new ChildFailure('did not end its load', child.notice('running'));
      }
    }
    samples.read();
    const notice = await child.exited;
    if (notice.status !== 'exit status 0' && !this.#isStopping) {
      throw new ChildFailure(`ended (${notice.status})`, notice);
    }
  }

  #report(): void {
    const progress = this.#ledger.progress();
    for (const listener of this.#listeners) listener(progress);
  }
}

/** Wall clock minus ours. Date counts milliseconds, so it is read where one begins; the least delayed of a few. */
function wallShiftUs(clock: Clock): number {
  let shiftUs = Number.NEGATIVE_INFINITY;
  for (let reading = 0; reading < 5; reading += 1) {
    const before = Date.now();
    let now = before;
    while (now === before) now = Date.now();
    shiftUs = Math.max(shiftUs, now * 1_000 - clock());
  }
  return shiftUs;
}
