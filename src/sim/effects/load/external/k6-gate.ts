/** A server that k6's setup() waits on, so that k6's start is not part of a load: it answers one request when the load may begin. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export class K6Gate {
  readonly url: string;
  /** Resolves when k6 has arrived. */
  readonly reached: Promise<void>;
  readonly #server: Server;
  #waiting: ServerResponse | null = null;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    this.reached = new Promise((resolve) => {
      server.on('request', (_request, response: ServerResponse) => {
        this.#waiting = response;
        resolve();
      });
    });
  }

  static async listen(): Promise<K6Gate> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new K6Gate(server);
  }

  open(): void {
    this.#waiting?.writeHead(204).end();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
