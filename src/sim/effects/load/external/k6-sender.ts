/**
 * k6 as a generator of open loads: a process for each load, with our requests in its script. Its samples are read while it
 * runs. Its instants are wall clock; the offset to the run's clock is measured at the start of each load.
 */
import { readFileSync } from 'node:fs';
import type { SenderTotals } from '../../../pure/judge/measurements.ts';
import type { Account, OpenWorkload, Workload } from '../../../pure/load/workload.ts';
import { ChildFailure } from '../../process/child-process.ts';
import { settlesWithin } from '../../process/with-timeout.ts';
import { type Clock, clockSince } from '../engine/monotonic-clock.ts';
import { WINDOW_MS } from '../engine/progress.ts';
import { constantLoad, type PlannedRequest, planRequests } from '../engine/request-plan.ts';
import type { RunSummary, Sender, SenderOptions, SenderProgress } from '../engine/sender.ts';
import { ExternalRecorder } from './external-recorder.ts';
import { type K6Process, startK6 } from './k6-process.ts';
import { K6Samples } from './k6-samples.ts';

const READ_EVERY_MS = 100;
/** For k6's own end on a machine under load. */
const END_LIMIT_MS = 15_000;
/** k6 may start one request more than its rate; the plan is this much longer, the rest stays unused. */
const SPARE_MS = 1_000;

interface Prepared {
  readonly plan: readonly PlannedRequest[];
  readonly k6: K6Process;
  readonly durationMs: number;
}

export class K6Sender implements Sender {
  readonly #options: SenderOptions;
  readonly #clock: Clock;
  readonly #recorder: ExternalRecorder;
  readonly #listeners: ((progress: SenderProgress) => void)[] = [];
  #nextId = 0;
  #preparing: Promise<Prepared> | null = null;
  #k6: K6Process | null = null;
  #isStopping = false;
  #closing: Promise<void> | null = null;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#clock = clockSince(options.originUs);
    this.#recorder = new ExternalRecorder(options.historyFile, this.#clock);
  }

  /** 0 while no k6 runs. */
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
    const samples = new K6Samples(k6.samplesFile, plan, this.#recorder);
    const startedUs = this.#clock();
    const clocks = { startedUs, wallShiftUs: wallShiftUs(this.#clock) };
    this.#recorder.beginLoad(phase, plan, startedUs);
    samples.begin(clocks);
    const timer = setInterval(() => this.#emitProgress(), WINDOW_MS);
    try {
      k6.open();
      await this.#follow(k6, samples, durationMs + this.#options.timeoutMs + END_LIMIT_MS);
      // Dropped arrivals are recorded now, and were counted when k6 dropped them.
      clearInterval(timer);
      samples.end(this.#clock());
      return await this.#recorder.finishLoad();
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

  waitForAcknowledged(): Promise<never> {
    return Promise.reject(new Error('nothing can wait for an operation of k6'));
  }

  /** k6 has no grace period: requests in flight are interrupted, with an unknown outcome. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#k6?.child.stop();
  }

  async totals(): Promise<SenderTotals> {
    return this.#recorder.totals();
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
    await this.#recorder.close();
  }

  async #prepare(workload: Workload, seed: number): Promise<Prepared> {
    const load = constantLoad(workload);
    const { accountsFile, targets, requestIdPrefix } = this.#options;
    const accounts = JSON.parse(readFileSync(accountsFile, 'utf8')) as readonly Account[];
    const stages = [{ ...load, durationMs: load.durationMs + SPARE_MS }];
    const plan = planRequests(
      { ...(workload as OpenWorkload), stages },
      { seed, accounts, targets, requestIdPrefix, firstId: this.#nextId },
    );
    this.#nextId += plan.length;
    this.#isStopping = false;
    const k6 = await startK6(plan, load, this.#options);
    this.#k6 = k6;
    return { plan, k6, durationMs: load.durationMs };
  }

  async #follow({ child }: K6Process, samples: K6Samples, limitMs: number): Promise<void> {
    const limitUs = this.#clock() + limitMs * 1_000;
    while (!(await settlesWithin(child.exited, READ_EVERY_MS))) {
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

  #emitProgress(): void {
    const progress = this.#recorder.progress();
    for (const listener of this.#listeners) listener(progress);
  }
}

/** Wall clock minus the run's clock. Date counts milliseconds, so it is read when one begins; the least delayed of five readings. */
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
