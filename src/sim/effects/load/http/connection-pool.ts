/**
 * Connections to one server, opened when an exchange finds none idle, up to a limit; beyond it exchanges wait
 * in order. The wait is part of the response time. Nothing is sent twice: a broken connection fails its
 * exchange.
 */
import { Queue } from '../engine/queue.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import type { Exchange, PoolOptions, Transport } from './transport.ts';

/** An idle connection is not reused after this time, nor in the last second of the server's Keep-Alive timeout. */
const MAX_IDLE_SECONDS = 4;

export class ConnectionPool implements ConnectionOwner, Transport {
  readonly #options: PoolOptions;
  readonly #connections = new Set<Connection>();
  /** Last in, first out: few connections stay in use and the surplus times out. */
  readonly #idle: Connection[] = [];
  readonly #waiting = new Queue<Exchange>();
  #connecting = 0;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  submit(exchange: Exchange): void {
    const connection = this.#takeIdle();
    if (connection !== null) {
      connection.send(exchange);
      return;
    }
    this.#waiting.push(exchange);
    this.#openForWaiting();
  }

  cancel(exchange: Exchange): void {
    exchange.isAbandoned = true;
    exchange.connection?.abandon();
    // Exchanges are abandoned oldest first, so removing them at the head keeps the queue short.
    while (this.#waiting.peek()?.isAbandoned) this.#waiting.shift();
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#connections) connection.abandon();
  }

  onConnected(connection: Connection): void {
    this.#connecting -= 1;
    this.onIdle(connection);
  }

  onIdle(connection: Connection): void {
    const next = this.#nextWaiting();
    if (next !== undefined) {
      connection.send(next);
      return;
    }
    connection.idleSinceUs = this.#options.clock();
    this.#idle.push(connection);
  }

  onGone(connection: Connection, failure: string | null): void {
    this.#connections.delete(connection);
    const idle = this.#idle.indexOf(connection);
    if (idle !== -1) this.#idle.splice(idle, 1);
    if (failure !== null) {
      this.#connecting -= 1;
      // Each attempt to connect serves one exchange: the oldest fails with it, so that none waits for ever.
      this.#nextWaiting()?.onFailure(failure, 0);
    }
    this.#openForWaiting();
  }

  #nextWaiting(): Exchange | undefined {
    for (;;) {
      const exchange = this.#waiting.shift();
      if (exchange === undefined || !exchange.isAbandoned) return exchange;
    }
  }

  #takeIdle(): Connection | null {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return null;
      const keepAliveSeconds = connection.keepAliveSeconds ?? Number.POSITIVE_INFINITY;
      const limitUs = Math.min(MAX_IDLE_SECONDS, keepAliveSeconds - 1) * 1e6;
      if (this.#options.clock() - connection.idleSinceUs < limitUs) return connection;
      connection.abandon();
    }
  }

  #openForWaiting(): void {
    while (
      !this.#isClosed &&
      this.#connecting < this.#waiting.length &&
      this.#connections.size < this.#options.maxConnections
    ) {
      this.#connecting += 1;
      this.#connections.add(new Connection(this.#options, this));
    }
  }
}
