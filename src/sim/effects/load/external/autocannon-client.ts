/**
 * One connection of autocannon, seen from outside: which planned request is on it, and what became of that. Its
 * events do not say which request they are about, and one lost with its connection is not reported at all: that
 * shows when the next is built.
 */
import type { Client, Request } from 'autocannon';
import type { Clock } from '../engine/monotonic-clock.ts';
import type { PlannedRequest } from '../engine/request-plan.ts';
import { MAX_CAPTURE_BYTES } from '../http/response-parser.ts';
import type { ToolLedger } from './tool-ledger.ts';

export interface AutocannonClientOptions {
  readonly clock: Clock;
  readonly ledger: ToolLedger;
  readonly plan: readonly PlannedRequest[];
  readonly timeoutUs: number;
  /** Index of the next planned request. */
  readonly draw: () => number;
  /** The load was ended before its amount was sent. */
  readonly isCutOff: () => boolean;
}

/** Its timer is rescheduled with each request and may be this much early against our clock. */
const TIMEOUT_SLACK_US = 20_000;

export class AutocannonClient {
  readonly #options: AutocannonClientOptions;
  #pending: { readonly index: number; sentUs: number } | null = null;
  #isSending = false;

  constructor(client: Client, options: AutocannonClientOptions) {
    this.#options = options;
    // The types name fewer events than there are.
    const events: NodeJS.EventEmitter = client;
    events.on('request', () => this.#onFirstRequest());
    events.on('timeout', () => {
      if (this.#isLate()) this.#lose('timeout');
    });
    events.on('connError', (error: NodeJS.ErrnoException) => {
      this.#lose(error.code ?? error.message, error.syscall !== 'connect');
    });
    events.on('done', () => this.#lose(this.#cause()));
    client.setRequests([
      {
        setupRequest: (request) => this.#build(request),
        onResponse: (status, body) => this.#onResponse(status, body),
      },
    ]);
  }

  #build(request: Request): Request {
    const { clock, plan, draw } = this.#options;
    this.#lose(this.#cause());
    const index = draw();
    this.#pending = { index, sentUs: clock() };
    const { method, path, headers, body, requestId } = plan[index]!;
    return {
      ...request,
      ...{ method: method as 'GET', path, headers: { ...headers, 'x-request-id': requestId } },
      ...(body === null ? {} : { body }),
    };
  }

  /** The first request is built before its connection is opened; every other one as it is written. */
  #onFirstRequest(): void {
    if (this.#isSending || this.#pending === null) return;
    this.#isSending = true;
    this.#pending.sentUs = this.#options.clock();
  }

  #onResponse(status: number, body: string): void {
    if (this.#pending === null) return;
    const { ledger, plan, clock } = this.#options;
    const { index, sentUs } = this.#pending;
    this.#pending = null;
    const captured = plan[index]!.capture ? body.slice(0, MAX_CAPTURE_BYTES) : null;
    const answer = { status, error: null, sent: true, body: captured };
    ledger.answered(index, { ...answer, sentUs, doneUs: clock() });
  }

  #lose(error: string, sent = true): void {
    if (this.#pending === null) return;
    const { index, sentUs } = this.#pending;
    this.#pending = null;
    const answer = { status: 0, error, sent, body: null };
    this.#options.ledger.answered(index, { ...answer, sentUs, doneUs: this.#options.clock() });
  }

  #isLate(): boolean {
    const { clock, timeoutUs } = this.#options;
    return this.#pending !== null && clock() - this.#pending.sentUs > timeoutUs - TIMEOUT_SLACK_US;
  }

  #cause(): string {
    if (this.#isLate()) return 'timeout';
    return this.#options.isCutOff() ? 'cut off' : 'closed by server';
  }
}
