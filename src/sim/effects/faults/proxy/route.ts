/**
 * One listening port of the fault proxy, its connections and their rule. The port stays open as long as the proxy runs,
 * because another process could take it; a route that refuses connections resets them after accept.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type ConnectionHost, ProxyConnection } from './connection.ts';
import { createFraming } from './framing.ts';
import type { Endpoint, Route } from './protocol.ts';
import type { ActiveRule } from './rule.ts';
import type { ShapingOptions } from './shaped-stream.ts';

export interface RouteHost {
  onDecision(kind: string, detail: string): void;
  isCommitAwaited(): boolean;
  onCommitForwarded(): void;
}

export class ProxyRoute {
  readonly description: Route;
  readonly #host: RouteHost;
  readonly #listener: Server;
  readonly #connections = new Set<ProxyConnection>();
  /** Accepted under a rule that drops traffic: there is no server's side. */
  readonly #swallowed = new Set<Socket>();
  readonly #connectionHost: ConnectionHost;
  #upstream: Endpoint;
  #rule: ActiveRule | null = null;
  #bytesForwarded = 0;

  /** `base` acts under every rule. A connection is accepted without delay: its handshake takes no round trip. */
  constructor(description: Route, base: ActiveRule | null, host: RouteHost) {
    this.description = description;
    this.#upstream = description.upstream;
    this.#host = host;
    this.#listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      this.#accept(client),
    );
    const shapingOf = (direction: 'toServer' | 'toClient'): ShapingOptions => ({
      base: base?.[direction] ?? null,
      rule: () => this.#rule?.[direction] ?? null,
      onForwarded: (bytes) => {
        this.#bytesForwarded += bytes;
      },
    });
    this.#connectionHost = {
      rule: () => this.#rule,
      toServer: shapingOf('toServer'),
      toClient: shapingOf('toClient'),
      onDecision: (kind, requestNumber, name) =>
        host.onDecision(kind, `request ${requestNumber}: ${name}`),
      isCommitAwaited: () => host.isCommitAwaited(),
      onCommitForwarded: () => host.onCommitForwarded(),
      onClosed: (connection) => this.#connections.delete(connection),
    };
  }

  async listen(): Promise<number> {
    this.#listener.listen(0, '127.0.0.1', 4_096);
    await once(this.#listener, 'listening');
    return (this.#listener.address() as AddressInfo).port;
  }

  /** Bytes forwarded in both directions since the current rule, or without one the last rule, took effect. */
  get bytesForwarded(): number {
    return this.#bytesForwarded;
  }

  /** New connections go there; open ones are reset, so that their clients reconnect. */
  retarget(upstream: Endpoint): void {
    this.#upstream = upstream;
    for (const connection of [...this.#connections]) connection.reset();
  }

  setRule(rule: ActiveRule | null): void {
    this.#rule = rule;
    this.#heal();
    for (const connection of this.#connections) connection.releaseDelayed();
    if (rule === null) return;
    this.#bytesForwarded = 0;
    if (rule.drawn !== null) this.#host.onDecision(rule.rule.kind, rule.drawn);
    const { kind } = rule.rule;
    for (const connection of [...this.#connections]) {
      if (kind === 'reset') connection.reset();
      else if (kind === 'blackhole' || kind === 'half-open')
        connection.dropTraffic(kind === 'half-open');
    }
  }

  close(): void {
    this.#listener.close();
    this.#heal();
    for (const connection of [...this.#connections]) connection.reset();
  }

  /** Resets connections that lost bytes, so that both ends reconnect. */
  #heal(): void {
    for (const connection of [...this.#connections]) if (connection.isHanging) connection.reset();
    for (const socket of this.#swallowed) socket.resetAndDestroy();
  }

  #accept(client: Socket): void {
    const kind = this.#rule?.rule.kind;
    if (kind === 'reset') {
      client.on('error', () => {}); // It may be closed already.
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
