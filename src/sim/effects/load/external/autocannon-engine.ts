/**
 * autocannon under the sender's protocol, in the sender's own process: programmatic, one request at a time on each
 * of its connections, every answer an event of its own. Its rate is a quota of each second, spent at the second's
 * beginning, and its connections wait for their answers: an overloaded server is simply asked less often. What was
 * asked for and not sent is recorded as such.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { Account, OpenWorkload } from '../../../pure/workload.ts';
import { type Clock, clockSince } from '../engine/monotonic-clock.ts';
import { WINDOW_MS } from '../engine/progress.ts';
import { constantLoad, type PlannedRequest, planRequests } from '../engine/request-plan.ts';
import type { FromSender, SenderInit, SenderTotals, ToSender } from '../engine/sender-protocol.ts';
import { AutocannonClient } from './autocannon-client.ts';
import { ToolLedger } from './tool-ledger.ts';

/** Requests a second that each connection is asked for: the rate holds while answers take less than 100 ms. */
const PER_CONNECTION = 10;
/** Its own default. */
const MIN_CONNECTIONS = 10;
const MAX_CONNECTIONS = 1_000;
/** How often it looks whether it is to end. */
const SAMPLE_MS = 100;

type RunMessage = Extract<ToSender, { type: 'run' }>;
type Load = ReturnType<typeof constantLoad>;

interface Play {
  readonly phase: string;
  readonly plan: readonly PlannedRequest[];
  readonly load: Load;
  readonly startUs: number;
  readonly cut: AbortController;
}

export class AutocannonEngine {
  readonly #init: SenderInit;
  readonly #send: (message: FromSender) => void;
  readonly #fail: (error: unknown) => void;
  readonly #clock: Clock;
  readonly #accounts: readonly Account[];
  readonly #ledger: ToolLedger;
  readonly #timer: NodeJS.Timeout;
  #active: { readonly cut: AbortController; readonly playing: Promise<void> } | null = null;
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
    this.#ledger = new ToolLedger(init.historyFile, this.#clock);
    this.#timer = setInterval(() => this.#sendProgress(), WINDOW_MS);
  }

  run({ phase, workload, seed, startUs }: RunMessage): void {
    if (this.#active !== null) throw new Error('a load is running already');
    const load = constantLoad(workload);
    const { targets, requestIdPrefix, timeoutMs } = this.#init;
    const plan = planRequests(workload as OpenWorkload, {
      ...{ seed, accounts: this.#accounts, targets, requestIdPrefix, firstId: this.#nextId },
    });
    this.#nextId += plan.length;
    this.#send({ type: 'started', limitMs: load.durationMs + timeoutMs });
    const cut = new AbortController();
    const playing = this.#play({ phase, plan, load, startUs, cut }).catch(this.#fail);
    this.#active = { cut, playing };
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

  /** Ends at its next look; what is in flight then is an unknown outcome. */
  stop(): void {
    this.#active?.cut.abort();
  }

  totals(): SenderTotals {
    return this.#ledger.totals();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.stop();
    await this.#active?.playing;
    await this.#ledger.close();
  }

  async #play({ phase, plan, load, startUs, cut }: Play): Promise<void> {
    const { signal } = cut;
    await sleep((startUs - this.#clock()) / 1000, null, { signal }).catch(() => {});
    const startedUs = this.#clock();
    this.#ledger.begin(phase, plan, startedUs);
    if (!signal.aborted) await this.#shoot(plan, load, cut);
    const endUs = this.#clock();
    for (const [index, { nominalUs }] of plan.entries()) {
      const dueUs = startedUs + nominalUs;
      // Ended early: what was not due yet was never planned.
      if (dueUs <= endUs) this.#ledger.neverSent(index, dueUs, endUs);
    }
    const summary = await this.#ledger.end();
    this.#active = null;
    this.#send({ type: 'finished', ...summary });
  }

  async #shoot(plan: readonly PlannedRequest[], load: Load, cut: AbortController): Promise<void> {
    const { targets, timeoutMs } = this.#init;
    let next = 0;
    const shot = autocannon({
      url: targets[0]!.url,
      connections: connectionsFor(load.ratePerSecond, plan.length),
      overallRate: load.ratePerSecond,
      amount: plan.length,
      // It takes whole seconds.
      timeout: Math.ceil(timeoutMs / 1000),
      sampleInt: SAMPLE_MS,
      setupClient: (client) => {
        new AutocannonClient(client, {
          ...{
            clock: this.#clock,
            ledger: this.#ledger,
            plan,
            timeoutUs: Math.ceil(timeoutMs / 1000) * 1e6,
          },
          isCutOff: () => cut.signal.aborted,
          draw: () => {
            this.#ledger.started();
            next += 1;
            return next - 1;
          },
        });
      },
    });
    // Both a promise and an emitter; the types say one or the other.
    const { stop } = shot as unknown as autocannon.Instance;
    cut.signal.addEventListener('abort', stop, { once: true });
    const deadline = setTimeout(() => cut.abort(), load.durationMs);
    await shot;
    clearTimeout(deadline);
  }

  #sendProgress(): void {
    if (this.#active !== null) this.#send(this.#ledger.progress());
  }
}

function connectionsFor(ratePerSecond: number, requests: number): number {
  const enough = Math.ceil(ratePerSecond / PER_CONNECTION);
  return Math.min(Math.max(enough, MIN_CONNECTIONS), MAX_CONNECTIONS, ratePerSecond, requests);
}
