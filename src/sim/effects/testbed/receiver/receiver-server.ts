/**
 * The HTTP server of a receiver: reads a request, logs it, then responds as its endpoint does. The record is written before
 * the response, so that a kill -9 loses only unanswered requests; a hanging request is logged when it starts to hang.
 */
import { writeSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { ArrivalRecord } from '../../../history.ts';
import type { EndpointBehaviour } from '../../../topology.ts';
import { monotonicUs } from '../../load/engine/monotonic-clock.ts';
import { type EndpointResponse, responseOf } from './endpoint-behaviours.ts';
import { HEALTH_PATH } from './receiver-protocol.ts';

/** Delayed and hanging requests; beyond this number a request is answered with 503. */
const MAX_PENDING = 10_000;
/** Connections beyond it are closed at once. */
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
  readonly endpointResponse: EndpointResponse;
  readonly atUs: number;
  readonly chunks: Buffer[];
  /** Body bytes so far, logged or not. */
  bytes: number;
  isLogged: boolean;
}

const UNKNOWN: EndpointResponse = { status: 404, delayMs: 0, reset: false };
const REFUSED: EndpointResponse = { status: 503, delayMs: 0, reset: false };
const TOO_LONG: EndpointResponse = { status: 413, delayMs: 0, reset: false };

export interface ReceiverServerOptions {
  readonly node: string;
  readonly endpoints: Readonly<Record<string, EndpointBehaviour>>;
  /** File descriptor of the log, opened for appending. */
  readonly file: number;
  readonly logBytes: number;
}

export class ReceiverServer {
  readonly http: http.Server;
  readonly #node: string;
  readonly #file: number;
  readonly #endpoints: Map<string, EndpointBehaviour>;
  readonly #pending = new Set<Arrival>();
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

  /** Logs requests that are not answered yet. */
  close(): void {
    this.http.close();
    for (const arrival of this.#pending) this.#log(arrival, null, 0);
    this.http.closeAllConnections();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const atUs = monotonicUs();
    if (request.url === HEALTH_PATH) return void response.end('ok');
    const endpoint = /^\/([^/?]*)/.exec(request.url ?? '')?.[1] ?? '';
    const behaviour = this.#endpoints.get(endpoint);
    const isFull = this.#pending.size >= MAX_PENDING;
    const arrival: Arrival = {
      request,
      response,
      endpoint: behaviour === undefined ? '' : endpoint,
      behaviour: behaviour === undefined ? 'unknown' : isFull ? 'refused' : behaviour.kind,
      endpointResponse:
        behaviour === undefined ? UNKNOWN : isFull ? REFUSED : responseOf(behaviour),
      atUs,
      chunks: [],
      bytes: 0,
      isLogged: false,
    };
    // Without listeners a reset by the sender would end this process.
    request.on('error', () => {});
    response.on('error', () => {});
    response.on('close', () => {
      this.#pending.delete(arrival);
      // The sender has disconnected before the response.
      this.#log(arrival, null, 0);
    });
    request.on('data', (chunk: Buffer) => this.#onBodyChunk(arrival, chunk));
    request.on('end', () => {
      if (!arrival.isLogged) this.#respondAsConfigured(arrival);
    });
  }

  #onBodyChunk(arrival: Arrival, chunk: Buffer): void {
    const room = LOGGED_BODY_BYTES - arrival.bytes;
    if (room > 0) arrival.chunks.push(chunk.subarray(0, room));
    arrival.bytes += chunk.length;
    if (arrival.bytes <= MAX_BODY_BYTES || arrival.isLogged) return;
    arrival.behaviour = 'refused';
    arrival.response.setHeader('connection', 'close');
    arrival.response.once('finish', () => arrival.request.destroy());
    this.#respond(arrival, TOO_LONG);
  }

  #respondAsConfigured(arrival: Arrival): void {
    const { endpointResponse, response } = arrival;
    if (endpointResponse.delayMs === 0) {
      this.#respond(arrival, endpointResponse);
      return;
    }
    this.#pending.add(arrival);
    if (endpointResponse.delayMs === null) {
      this.#log(arrival, null, 0);
      return;
    }
    const timer = setTimeout(() => {
      this.#pending.delete(arrival);
      this.#respond(arrival, endpointResponse);
    }, endpointResponse.delayMs);
    response.once('close', () => clearTimeout(timer));
  }

  #respond(arrival: Arrival, { status, reset }: EndpointResponse): void {
    this.#log(arrival, monotonicUs(), status ?? 0);
    if (reset) arrival.request.socket.resetAndDestroy();
    else arrival.response.writeHead(status!).end();
  }

  /** Once for each arrival. */
  #log(arrival: Arrival, doneUs: number | null, status: number): void {
    if (arrival.isLogged) return;
    arrival.isLogged = true;
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
    // A request that is not in the log would count as lost in transit.
    if (this.#logBytes > MAX_LOG_BYTES)
      throw new Error(`the log of arrivals has passed ${MAX_LOG_BYTES} bytes`);
    writeSync(this.#file, line);
    // Frees the body: a request may hang for hours.
    arrival.chunks.length = 0;
  }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const entries = Object.entries(headers).slice(0, LOGGED_HEADERS);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, String(value).slice(0, LOGGED_VALUE_CHARACTERS)]),
  );
}
