/**
 * The HTTP side of a receiver: reads a request, logs it, then does what its endpoint does. The record is written
 * before the answer, so that a kill -9 loses only what was not answered; what hangs is written when it begins to.
 */
import { writeSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { ArrivalRecord } from '../../history.ts';
import type { EndpointBehaviour } from '../../topology.ts';
import { monotonicUs } from '../load/engine/monotonic-clock.ts';
import { type Plan, planOf } from './nodes/endpoint-behaviours.ts';
import { HEALTH_PATH } from './receiver-protocol.ts';

/** Requests that wait for an answer or for ever; one more is answered with 503. */
const MAX_HELD = 10_000;
/** Above it the kernel's queue is emptied into closed connections. */
const MAX_CONNECTIONS = 16_000;
const LOGGED_BODY_BYTES = 32_768;
/** A longer body is not read: 413, and the connection is closed. */
const MAX_BODY_BYTES = 8_388_608;
const BODY_LIMIT_MS = 30_000;
const LOGGED_HEADERS = 64;
const LOGGED_VALUE_CHARACTERS = 1_024;
const LOGGED_PATH_CHARACTERS = 2_048;
const MAX_LOG_BYTES = 1_073_741_824;

interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly endpoint: string;
  behaviour: string;
  readonly plan: Plan;
  readonly atUs: number;
  readonly chunks: Buffer[];
  /** Of the body so far, also of what is not kept. */
  bytes: number;
  isWritten: boolean;
}

const UNKNOWN: Plan = { status: 404, delayMs: 0, reset: false };
const REFUSED: Plan = { status: 503, delayMs: 0, reset: false };
const TOO_LONG: Plan = { status: 413, delayMs: 0, reset: false };

export interface ReceiverServerOptions {
  readonly node: string;
  readonly endpoints: Readonly<Record<string, EndpointBehaviour>>;
  /** Of the log, opened for appending. */
  readonly file: number;
  readonly logBytes: number;
}

export class ReceiverServer {
  readonly http: http.Server;
  readonly #node: string;
  readonly #file: number;
  readonly #endpoints: Map<string, EndpointBehaviour>;
  readonly #held = new Set<Arrival>();
  #logBytes: number;

  constructor(options: ReceiverServerOptions) {
    this.#node = options.node;
    this.#file = options.file;
    this.#logBytes = options.logBytes;
    this.#endpoints = new Map(Object.entries(options.endpoints));
    this.http = http.createServer(
      { keepAliveTimeout: 60_000, requestTimeout: BODY_LIMIT_MS },
      (request, response) => this.#receive(request, response),
    );
    this.http.maxConnections = MAX_CONNECTIONS;
  }

  /** For requests that arrive from now on. */
  set(endpoints: Readonly<Record<string, EndpointBehaviour>>): void {
    for (const [name, behaviour] of Object.entries(endpoints)) this.#endpoints.set(name, behaviour);
  }

  /** Logs what has not been answered yet. */
  close(): void {
    this.http.close();
    for (const arrival of this.#held) this.#write(arrival, null, 0);
    this.http.closeAllConnections();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const atUs = monotonicUs();
    if (request.url === HEALTH_PATH) return void response.end('ok');
    const endpoint = /^\/([^/?]*)/.exec(request.url ?? '')?.[1] ?? '';
    const behaviour = this.#endpoints.get(endpoint);
    const isFull = this.#held.size >= MAX_HELD;
    const arrival: Arrival = {
      request,
      response,
      endpoint: behaviour === undefined ? '' : endpoint,
      behaviour: behaviour === undefined ? 'unknown' : isFull ? 'refused' : behaviour.kind,
      plan: behaviour === undefined ? UNKNOWN : isFull ? REFUSED : planOf(behaviour),
      atUs,
      chunks: [],
      bytes: 0,
      isWritten: false,
    };
    // Without a listener a reset by the sender would end this process.
    request.on('error', () => {});
    response.on('error', () => {});
    response.on('close', () => {
      this.#held.delete(arrival);
      // The sender has gone before it was answered.
      this.#write(arrival, null, 0);
    });
    request.on('data', (chunk: Buffer) => this.#take(arrival, chunk));
    request.on('end', () => {
      if (!arrival.isWritten) this.#act(arrival);
    });
  }

  #take(arrival: Arrival, chunk: Buffer): void {
    const room = LOGGED_BODY_BYTES - arrival.bytes;
    if (room > 0) arrival.chunks.push(chunk.subarray(0, room));
    arrival.bytes += chunk.length;
    if (arrival.bytes <= MAX_BODY_BYTES || arrival.isWritten) return;
    arrival.behaviour = 'refused';
    arrival.response.setHeader('connection', 'close');
    arrival.response.once('finish', () => arrival.request.destroy());
    this.#finish(arrival, TOO_LONG);
  }

  #act(arrival: Arrival): void {
    const { plan, response } = arrival;
    if (plan.delayMs === 0) {
      this.#finish(arrival, plan);
      return;
    }
    this.#held.add(arrival);
    if (plan.delayMs === null) {
      this.#write(arrival, null, 0);
      return;
    }
    const timer = setTimeout(() => {
      this.#held.delete(arrival);
      this.#finish(arrival, plan);
    }, plan.delayMs);
    response.once('close', () => clearTimeout(timer));
  }

  #finish(arrival: Arrival, { status, reset }: Plan): void {
    this.#write(arrival, monotonicUs(), status ?? 0);
    if (reset) arrival.request.socket.resetAndDestroy();
    else arrival.response.writeHead(status!).end();
  }

  /** Once for each arrival. */
  #write(arrival: Arrival, doneUs: number | null, status: number): void {
    if (arrival.isWritten) return;
    arrival.isWritten = true;
    const { request, bytes, endpoint, behaviour, atUs } = arrival;
    const record: ArrivalRecord = {
      kind: 'arrival',
      node: this.#node,
      endpoint,
      atUs,
      doneUs,
      method: request.method ?? '',
      path: (request.url ?? '').slice(0, LOGGED_PATH_CHARACTERS),
      headers: headersOf(request),
      body: Buffer.concat(arrival.chunks).toString('utf8'),
      truncated: bytes > LOGGED_BODY_BYTES || !request.complete,
      behaviour,
      status,
    };
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    this.#logBytes += line.length;
    // An arrival that is not in the log would look as if it had been lost on its way.
    if (this.#logBytes > MAX_LOG_BYTES)
      throw new Error(`the log of what arrived has passed ${MAX_LOG_BYTES} bytes`);
    writeSync(this.#file, line);
    // What hangs for hours must not keep its body.
    arrival.chunks.length = 0;
  }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const entries = Object.entries(headers).slice(0, LOGGED_HEADERS);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, String(value).slice(0, LOGGED_VALUE_CHARACTERS)]),
  );
}
