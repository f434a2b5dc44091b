/**
 * Carries requests and answers. The engine owns schedule, deadlines and records; a transport only moves bytes, so that
 * another HTTP client can replace our sockets under the same schedule.
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
  connection: { abandon(): void } | null;
  /** Set when the owner has given up; an abandoned exchange that is still waiting is never sent. */
  isAbandoned: boolean;
  /** The whole request as text. */
  render(): string;
  /** Called at the write: takes the send stamp. */
  onSent(): void;
  /** `headers` is null unless some were asked for. */
  onAnswer(status: number, body: string | null, headers: KeptHeaders | null): void;
  /** `status` is 0 unless the answer's head had arrived. */
  onFailure(error: string, status: number): void;
}

export interface Transport {
  submit(exchange: Exchange): void;
  /** Abandons an exchange without notifying it: a waiting one is never sent, a sent one loses its connection. */
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
