/**
 * What carries an operation to the server and its answer back. The engine owns instants, deadlines and records;
 * a transport only moves bytes, so that another HTTP client can stand in for our sockets under the same schedule.
 */
import type { Clock } from '../engine/monotonic-clock.ts';

/** Response headers by name in lower case. */
export type KeptHeaders = Readonly<Record<string, string>>;

/** A request waiting for, or on, a connection. */
export interface Exchange {
  readonly capture: boolean;
  /** Names in lower case of the response headers to hand over with the answer; null for none. */
  readonly captureHeaders: readonly string[] | null;
  /** Set by the transport while the exchange is on the wire. */
  carrier: { abandon(): void } | null;
  /** Set by its owner when it has given up; a waiting exchange that is over is never sent. */
  over: boolean;
  /** The whole request as text. */
  render(): string;
  /** Called at the write: takes the send stamp. */
  sent(): void;
  /** `headers` is null unless some were asked for. */
  onAnswer(status: number, body: string | null, headers: KeptHeaders | null): void;
  /** `status` is 0 unless the answer's head had arrived. */
  onFailure(error: string, status: number): void;
}

export interface Transport {
  submit(exchange: Exchange): void;
  /** Gives up an exchange without telling it: a waiting one is never sent, a sent one loses its connection. */
  cancel(exchange: Exchange): void;
  close(): void;
}

export interface PoolOptions {
  readonly host: string;
  readonly port: number;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
}

export type OpenTransport = (options: PoolOptions) => Transport;
