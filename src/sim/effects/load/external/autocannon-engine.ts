/**
 * autocannon behind the sender's protocol, in the sender's process: one request at a time on each connection, an event for
 * each answer. Its rate is a quota of each second that it sends at the second's start, and its connections wait for their
 * answers, so it sends less to an overloaded server. Planned requests that were not sent are recorded as never sent.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { SenderTotals } from '../../../pure/judge/measurements.ts';
import type { Account, OpenWorkload } from '../../../pure/load/workload.ts';
import { type Clock, clockSince } from '../engine/monotonic-clock.ts';
import { WINDOW_MS } from '../engine/progress.ts';
import { constantLoad, type PlannedRequest, planRequests } from '../engine/request-plan.ts';
import type { FromSender, SenderInit, ToSender } from '../engine/sender-protocol.ts';
import { AutocannonClient } from './autocannon-client.ts';
import { ExternalRecorder } from './external-recorder.ts';

/** Requests a second on each connection: the rate holds while answers take less than 100 ms. */
const PER_CONNECTION = 10;
/** autocannon's default. */
const MIN_CONNECTIONS = 10;
const MAX_CONNECTIONS = 1_000;
/** How often it checks for its end. */
const SAMPLE_MS = 100;

type RunMessage = Extract<ToSender, { type: 'run' }>;
type Load = ReturnType<typeof constantLoad>;

interface PlannedRun {
  readonly phase: string;
  readonly plan: readonly PlannedRequest[];
  readonly load: Load;
  readonly startUs: number;
  readonly abort: AbortController;
}

export class AutocannonEngine {
  readonly #init: SenderInit;
  readonly #send: (message: FromSender) => void;
  readonly #fail: (error: unknown) => void;
  readonly #clock: Clock;
  readonly #accounts: readonly Account[];
  readonly #recorder: ExternalRecorder;
  readonly #timer: NodeJS.Timeout;
  #active: { readonly abort: AbortController; readonly playing: Promise<void> } | null = null;
  #nextId = 0;

  constructor(
    init: SenderInit,
    owner: {
      readonly send: (message: FromSender) => void;
      readonly fail: (error: unknown) => void;
    },
  ) {
    if (init.targets.length !== 1) throw new Error('autocannon loads one process only');
    this.#init = init;
    this.#send = owner.send;
    this.#fail = owner.fail;
    this.#clock = clockSince(init.originUs);
    this.#accounts = JSON.parse(readFileSync(init.accountsFile, 'utf8')) as readonly Account[];
    this.#recorder = new ExternalRecorder(init.historyFile, this.#clock);
    this.#timer = setInterval(() => this.#sendProgress(), WINDOW_MS);
  }

  run({ phase, workload, seed, startUs }: RunMessage): void {
    if (this.#active !== null) throw new Error('a load is running already');
    const load = constantLoad(workload);
    const { targets, requestIdPrefix, timeoutMs } = this.#init;
    const plan = planRequests(workload as OpenWorkload, {
      seed,
      accounts: this.#accounts,
      targets,
      requestIdPrefix,
      firstId: this.#nextId,
    });
    this.#nextId += plan.length;
    this.#send({ type: 'started', limitMs: load.durationMs + timeoutMs });
    const abort = new AbortController();
    const playing = this.#play({ phase, plan, load, startUs, abort }).catch(this.#fail);
    this.#active = { abort, playing };
  }

  phase(): void {
    throw new Error('autocannon has one phase');
  }

  users(): void {
    throw new Error('autocannon has no users');
  }

  acknowledged(): void {
    throw new Error('nothing can wait for an operation of autocannon');
  }

  /** Takes effect at its next check; requests in flight then have an unknown outcome. */
  stop(): void {
    this.#active?.abort.abort();
  }

  totals(): SenderTotals {
    return this.#recorder.totals();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.stop();
    await this.#active?.playing;
    await this.#recorder.close();
  }

  async #play({ phase, plan, load, startUs, abort }: PlannedRun): Promise<void> {
    const { signal } = abort;
    await sleep((startUs - this.#clock()) / 1000, null, { signal }).catch(() => {});
    const startedUs = this.#clock();
    this.#recorder.beginLoad(phase, plan, startedUs);
    if (!signal.aborted) await this.#runAutocannon(plan, load, abort);
    const endUs = this.#clock();
    for (const [index, { nominalUs }] of plan.entries()) {
      const dueUs = startedUs + nominalUs;
      // After an early end, requests that were not due yet do not count as planned.
      if (dueUs <= endUs) this.#recorder.recordNeverSent(index, dueUs, endUs);
    }
    const summary = await this.#recorder.finishLoad();
    this.#active = null;
    this.#send({ type: 'finished', ...summary });
  }

  async #runAutocannon(
    plan: readonly PlannedRequest[],
    load: Load,
    abort: AbortController,
  ): Promise<void> {
    const { targets, timeoutMs } = this.#init;
    let next = 0;
    const running = autocannon({
      url: targets[0]!.url,
      connections: connectionsFor(load.ratePerSecond, plan.length),
      overallRate: load.ratePerSecond,
      amount: plan.length,
      // Whole seconds only.
      timeout: Math.ceil(timeoutMs / 1000),
      sampleInt: SAMPLE_MS,
      setupClient: (client) => {
        new AutocannonClient(client, {
          clock: this.#clock,
          recorder: this.#recorder,
          plan,
          timeoutUs: Math.ceil(timeoutMs / 1000) * 1e6,
          isAborted: () => abort.signal.aborted,
          nextIndex: () => {
            this.#recorder.countStarted();
            next += 1;
            return next - 1;
          },
        });
      },
    });
    // Both a promise and an emitter, which the types do not express.
    const { stop } = running as unknown as autocannon.Instance;
    abort.signal.addEventListener('abort', stop, { once: true });
    const deadline = setTimeout(() => abort.abort(), load.durationMs);
    await running;
    clearTimeout(deadline);
  }

  #sendProgress(): void {
    if (this.#active !== null) this.#send(this.#recorder.progress());
  }
}

function connectionsFor(ratePerSecond: number, requests: number): number {
  const enough = Math.ceil(ratePerSecond / PER_CONNECTION);
  return Math.min(Math.max(enough, MIN_CONNECTIONS), MAX_CONNECTIONS, ratePerSecond, requests);
}
