/**
 * One TCP connection that carries one request at a time. Plain sockets instead of an HTTP client, because the generator
 * shares the machine with what it measures (CPU a request at 2,000/s: undici's Pool 76 us, this 42 us; D-043), and because
 * the send stamp must be taken at the write.
 */
import { connect, type Socket } from 'node:net';
import { ResponseError, ResponseParser } from './response-parser.ts';
import type { Exchange } from './transport.ts';

const READ_BUFFER_BYTES = 16_384;

export interface ConnectionOwner {
  onConnected(connection: Connection): void;
  /** Ready for the next exchange. */
  onIdle(connection: Connection): void;
  /** The connection is gone. `failure` is why it never connected, null when it had. */
  onGone(connection: Connection, failure: string | null): void;
}

export class Connection {
  /** Set by the owner when the connection becomes idle. */
  idleSinceUs = 0;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #parser = new ResponseParser();
  #exchange: Exchange | null = null;
  #isConnected = false;
  #isGone = false;

  constructor(
    target: { readonly host: string; readonly port: number; readonly connectTimeoutMs: number },
    owner: ConnectionOwner,
  ) {
    this.#owner = owner;
    // `onread` hands over each read in one reused buffer, without a stream in between.
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
      callback: (length: number, bytes: Uint8Array) => this.#onBytes(bytes as Buffer, length),
    };
    const socket = connect({ host: target.host, port: target.port, noDelay: true, onread });
    this.#socket = socket;
    const connectTimer = setTimeout(() => this.#end('connect timeout'), target.connectTimeoutMs);
    socket.once('connect', () => {
      clearTimeout(connectTimer);
      if (this.#isGone) return;
      this.#isConnected = true;
      owner.onConnected(this);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? error.message));
    socket.once('end', () => this.#onEnd());
    socket.once('close', () => {
      clearTimeout(connectTimer);
      this.#end('closed');
    });
  }

  /** The server's Keep-Alive timeout, if it sent one. */
  get keepAliveSeconds(): number | null {
    return this.#parser.keepAliveSeconds;
  }

  send(exchange: Exchange): void {
    this.#exchange = exchange;
    exchange.connection = this;
    this.#parser.start(exchange.capture, exchange.captureHeaders);
    const request = exchange.render();
    exchange.onSent();
    this.#socket.write(request);
  }

  /** Closes without notifying the exchange, which has given up. */
  abandon(): void {
    this.#exchange = null;
    this.#end(null);
  }

  #onBytes(bytes: Buffer, length: number): boolean {
    const exchange = this.#exchange;
    if (exchange === null) {
      this.#end(null); // Bytes without a request, or the rest of an abandoned answer.
      return false;
    }
    try {
      if (!this.#parser.feed(bytes, length)) return true;
    } catch (error) {
      if (!(error instanceof ResponseError)) throw error;
      this.#end(error.code);
      return false;
    }
    this.#answer(exchange);
    return !this.#isGone;
  }

  #answer(exchange: Exchange): void {
    this.#exchange = null;
    exchange.connection = null;
    const { status, headers } = this.#parser;
    exchange.onAnswer(status, exchange.capture ? this.#parser.body() : null, headers);
    if (this.#parser.keepAlive) this.#owner.onIdle(this);
    else this.#end(null);
  }

  /** The server closed its side. */
  #onEnd(): void {
    const exchange = this.#exchange;
    if (exchange !== null && this.#parser.finish()) this.#answer(exchange);
    this.#end(exchange === null ? null : 'closed by server');
  }

  #end(error: string | null): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#socket.destroy();
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null) {
      exchange.connection = null;
      exchange.onFailure(error ?? 'closed', this.#parser.status);
    }
    this.#owner.onGone(this, this.#isConnected ? null : (error ?? 'closed'));
  }
}
