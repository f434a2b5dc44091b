/**
 * Matches the events of one autocannon connection with planned requests. Its events do not name their request, and a
 * request lost with its connection is not reported: that is detected when the next one is built.
 */
import type { Client, Request } from 'autocannon';
import type { Clock } from '../engine/monotonic-clock.ts';
import type { PlannedRequest } from '../engine/request-plan.ts';
import { MAX_CAPTURE_BYTES } from '../http/response-parser.ts';
import type { ExternalRecorder } from './external-recorder.ts';

export interface AutocannonClientOptions {
  readonly clock: Clock;
  readonly recorder: ExternalRecorder;
  readonly plan: readonly PlannedRequest[];
  readonly timeoutUs: number;
  /** Takes the next planned request and returns its index. */
  readonly nextIndex: () => number;
  /** True when the load was ended before every request was sent. */
  readonly isAborted: () => boolean;
}

/** Autocannon's timeout may fire this much early by our clock. */
const TIMEOUT_SLACK_US = 20_000;

export class AutocannonClient {
  readonly #options: AutocannonClientOptions;
  #pending: { readonly index: number; sentUs: number } | null = null;
  #isSending = false;

  constructor(client: Client, options: AutocannonClientOptions) {
    this.#options = options;
    // The types lack some events.
    const events: NodeJS.EventEmitter = client;
    events.on('request', () => this.#onFirstRequest());
    events.on('timeout', () => {
      if (this.#isLate()) this.#recordFailure('timeout');
    });
    events.on('connError', (error: NodeJS.ErrnoException) => {
      this.#recordFailure(error.code ?? error.message, error.syscall !== 'connect');
    });
    events.on('done', () => this.#recordFailure(this.#cause()));
    client.setRequests([
      {
        setupRequest: (request) => this.#build(request),
        onResponse: (status, body) => this.#onResponse(status, body),
      },
    ]);
  }

  #build(request: Request): Request {
    const { clock, plan, nextIndex } = this.#options;
    this.#recordFailure(this.#cause());
    const index = nextIndex();
    this.#pending = { index, sentUs: clock() };
    const { method, path, headers, body, requestId } = plan[index]!;
    return {
      ...request,
      method: method as 'GET',
      path,
      headers: { ...headers, 'x-request-id': requestId },
      ...(body === null ? {} : { body }),
    };
  }

  /** The first request is built before its connection is opened, every other one when it is written. */
  #onFirstRequest(): void {
    if (this.#isSending || this.#pending === null) return;
    this.#isSending = true;
    this.#pending.sentUs = this.#options.clock();
  }

  #onResponse(status: number, body: string): void {
    if (this.#pending === null) return;
    const { recorder, plan, clock } = this.#options;
    const { index, sentUs } = this.#pending;
    this.#pending = null;
    const capturedBody = plan[index]!.capture ? body.slice(0, MAX_CAPTURE_BYTES) : null;
    const answer = { status, error: null, sent: true, body: capturedBody };
    recorder.recordResponse(index, { ...answer, sentUs, doneUs: clock() });
  }

  #recordFailure(error: string, sent = true): void {
    if (this.#pending === null) return;
    const { index, sentUs } = this.#pending;
    this.#pending = null;
    const answer = { status: 0, error, sent, body: null };
    this.#options.recorder.recordResponse(index, {
      ...answer,
      sentUs,
      doneUs: this.#options.clock(),
    });
  }

  #isLate(): boolean {
    const { clock, timeoutUs } = this.#options;
    return this.#pending !== null && clock() - this.#pending.sentUs > timeoutUs - TIMEOUT_SLACK_US;
  }

  #cause(): string {
    if (this.#isLate()) return 'timeout';
    return this.#options.isAborted() ? 'cut off' : 'closed by server';
  }
}
