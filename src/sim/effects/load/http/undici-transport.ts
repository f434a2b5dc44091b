/**
 * undici's Pool under our schedule and records, for comparison with the client most Node services use. The send stamp is
 * taken when undici writes, so the wait for a connection counts as send lag, as with our own sockets.
 */
import { type Dispatcher, Pool } from 'undici';
import { MAX_CAPTURE_BYTES, MAX_HEADER_CHARACTERS } from './response-parser.ts';
import type { Exchange, KeptHeaders, PoolOptions, Transport } from './transport.ts';
import { parseRequest } from './wire-request.ts';

export class UndiciTransport implements Transport {
  readonly #pool: Pool;

  constructor({ host, port, maxConnections, connectTimeoutMs }: PoolOptions) {
    const origin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
    this.#pool = new Pool(origin, {
      connections: maxConnections,
      pipelining: 1,
      // The engine times operations out, from their scheduled instant.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: connectTimeoutMs, noDelay: true },
    });
  }

  submit(exchange: Exchange): void {
    const { method, path, headers, body } = parseRequest(exchange.render());
    this.#pool.dispatch(
      { method: method as Dispatcher.HttpMethod, path, headers, body },
      new Reply(exchange),
    );
  }

  cancel(exchange: Exchange): void {
    exchange.isAbandoned = true;
    exchange.connection?.abandon();
  }

  close(): void {
    this.#pool.destroy().catch(() => {}); // The engine has recorded every waiting operation.
  }
}

class Reply implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange;
  readonly #parts: Buffer[] = [];
  #captured = 0;
  #status = 0;
  #headers: KeptHeaders | null = null;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** undici cannot remove a waiting request: an abandoned one is aborted when it starts. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    const abandon = () => controller.abort(new Error('given up'));
    if (this.#exchange.isAbandoned) {
      abandon();
      return;
    }
    this.#exchange.connection = { abandon };
    this.#exchange.onSent();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200) return;
    this.#status = status;
    const wanted = this.#exchange.captureHeaders;
    if (wanted !== null) this.#headers = keptOf(headers, wanted);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#exchange.capture || this.#captured >= MAX_CAPTURE_BYTES) return;
    const part = chunk.subarray(0, MAX_CAPTURE_BYTES - this.#captured);
    this.#captured += part.length;
    this.#parts.push(part);
  }

  onResponseEnd(): void {
    this.#exchange.connection = null;
    if (this.#exchange.isAbandoned) return;
    const body = this.#exchange.capture ? Buffer.concat(this.#parts).toString('utf8') : null;
    this.#exchange.onAnswer(this.#status, body, this.#headers);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#exchange.connection = null;
    if (!this.#exchange.isAbandoned) this.#exchange.onFailure(causeOf(error), this.#status);
  }
}

/** Names are in lower case already; a header that came several times is an array. */
function keptOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  wanted: readonly string[],
): KeptHeaders {
  const kept: Record<string, string> = {};
  for (const name of wanted) {
    const value = [headers[name]].flat()[0];
    if (value !== undefined) kept[name] = value.trim().slice(0, MAX_HEADER_CHARACTERS);
  }
  return kept;
}

/** Maps undici's errors to the causes our own sockets report. */
function causeOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'UND_ERR_CONNECT_TIMEOUT') return 'connect timeout';
  if (error.code === 'UND_ERR_SOCKET' && error.message === 'other side closed') {
    return 'closed by server';
  }
  return error.code ?? error.message;
}
