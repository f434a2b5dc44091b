/**
 * One listening port of the fault proxy: its connections and the rule they are under. A port never closes while
 * the proxy lives, since another process could take it; a refusing route resets what it has just accepted.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type ConnectionHost, ProxyConnection } from './connection.ts';
import { createFraming } from './framing.ts';
import type { Shaping } from './line.ts';
import type { Endpoint, Route } from './protocol.ts';
import type { ActiveRule } from './rule.ts';

export interface RouteHost {
  decided(kind: string, detail: string): void;
  commitAwaited(): boolean;
  commitForwarded(): void;
}

export class ProxyRoute {
  readonly description: Route;
  readonly #host: RouteHost;
  readonly #listener: Server;
  readonly #connections = new Set<ProxyConnection>();
  /** Accepted while nothing passes: there is no server's side. */
  readonly #swallowed = new Set<Socket>();
  readonly #connectionHost: ConnectionHost;
  #upstream: Endpoint;
  #rule: ActiveRule | null = null;
  #bytesForwarded = 0;

  /** `base` acts always, under whatever rule there is. A new connection is accepted at once: its handshake takes no round trip. */
  constructor(description: Route, base: ActiveRule | null, host: RouteHost) {
    this.description = description;
    this.#upstream = description.upstream;
    this.#host = host;
    this.#listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      this.#accept(client),
    );
    const shaping = (way: 'toServer' | 'toClient'): Shaping => ({
      base: base?.[way] ?? null,
      rule: () => this.#rule?.[way] ?? null,
      forwarded: (bytes) => {
        this.#bytesForwarded += bytes;
      },
    });
    this.#connectionHost = {
      rule: () => this.#rule,
      toServer: shaping('toServer'),
      toClient: shaping('toClient'),
      decided: (kind, request, name) => host.decided(kind, `request ${request}: ${name}`),
      commitAwaited: () => host.commitAwaited(),
      commitForwarded: () => host.commitForwarded(),
      closed: (connection) => this.#connections.delete(connection),
    };
  }

  async listen(): Promise<number> {
    this.#listener.listen(0, '127.0.0.1', 4_096);
    await once(this.#listener, 'listening');
    return (this.#listener.address() as AddressInfo).port;
  }

  /** Bytes handed on, both ways together, since the present rule began to act; without one, since the last one did. */
  get bytesForwarded(): number {
    return this.#bytesForwarded;
  }

  /** New connections go there; those that are open would never hear of it, so they are reset. */
  retarget(upstream: Endpoint): void {
    this.#upstream = upstream;
    for (const connection of [...this.#connections]) connection.reset();
  }

  change(rule: ActiveRule | null): void {
    this.#rule = rule;
    this.#heal();
    for (const connection of this.#connections) connection.release();
    if (rule === null) return;
    this.#bytesForwarded = 0;
    if (rule.drawn !== null) this.#host.decided(rule.rule.kind, rule.drawn);
    const { kind } = rule.rule;
    for (const connection of [...this.#connections]) {
      if (kind === 'reset') connection.reset();
      else if (kind === 'blackhole' || kind === 'half-open') connection.lose(kind === 'half-open');
    }
  }

  close(): void {
    this.#listener.close();
    this.#heal();
    for (const connection of [...this.#connections]) connection.reset();
  }

  /** What has lost bytes cannot go on: both ends are told, so that they connect again. */
  #heal(): void {
    for (const connection of [...this.#connections]) if (connection.isHanging) connection.reset();
    for (const socket of this.#swallowed) socket.resetAndDestroy();
  }

  #accept(client: Socket): void {
    const kind = this.#rule?.rule.kind;
    if (kind === 'reset') {
      client.on('error', () => {}); // It may have gone already.
      client.resetAndDestroy();
    } else if (kind === 'blackhole' || kind === 'half-open') this.#swallow(client);
    else {
      const server = connect({ ...this.#upstream, allowHalfOpen: true, noDelay: true });
      const framing = createFraming(this.description.protocol);
      this.#connections.add(new ProxyConnection(this.#connectionHost, { client, server }, framing));
    }
  }

  #swallow(client: Socket): void {
    this.#swallowed.add(client);
    client.on('error', () => {}); // 'close' follows.
    client.on('end', () => client.destroy());
    client.on('close', () => this.#swallowed.delete(client));
    client.resume();
  }
}
