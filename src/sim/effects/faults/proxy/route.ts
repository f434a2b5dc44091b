/**
 * One listening port of the fault proxy, its connections and their rule. The port stays open as long as the proxy runs,
 * because another process could take it; a route that refuses connections resets them after accept.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type ConnectionHost, ProxyConnection } from './connection.ts';
import { createFraming } from './framing.ts';
import type { Route, Upstream } from './protocol.ts';
import type { ActiveRule } from './rule.ts';
import type { Direction, RuleTraffic } from './rule-traffic.ts';
import type { ShapingOptions } from './shaped-stream.ts';
import { connectUpstream } from './upstream.ts';

/** A rule on a route, and what the route does under it. */
export interface RuleInForce {
  readonly rule: ActiveRule;
  readonly traffic: RuleTraffic;
}

export const createConnection = (
  ...given: ConstructorParameters<typeof ProxyConnection>
): ProxyConnection => new ProxyConnection(...given);

export interface RouteHost {
  readonly createConnection: typeof createConnection;
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
  #upstream: Upstream;
  #inForce: RuleInForce | null = null;
  #bytesForwarded = 0;

  /** `base` acts under every rule. A connection is accepted without delay: its handshake takes no round trip. */
  constructor(description: Route, base: ActiveRule | null, host: RouteHost) {
    this.description = description;
    this.#upstream = description.upstream;
    this.#host = host;
    this.#listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      this.#accept(client),
    );
    const shapingOf = (direction: Direction): ShapingOptions => ({
      base: base?.[direction] ?? null,
      rule: () => this.#inForce?.rule[direction] ?? null,
      onForwarded: (bytes, delayed) => {
        this.#bytesForwarded += bytes;
        this.#inForce?.traffic.onForwarded(direction, bytes, delayed);
      },
    });
    this.#connectionHost = {
      rule: () => this.#inForce?.rule ?? null,
      toServer: shapingOf('toServer'),
      toClient: shapingOf('toClient'),
      onDecision: (kind, requestNumber, name) =>
        host.onDecision(kind, `request ${requestNumber}: ${name}`),
      isCommitAwaited: () => host.isCommitAwaited(),
      onCommitForwarded: () => host.onCommitForwarded(),
      onClosed: (connection) => {
        this.#connections.delete(connection);
        this.#inForce?.traffic.onClosed(connection);
      },
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
  retarget(upstream: Upstream): void {
    this.#upstream = upstream;
    for (const connection of [...this.#connections]) connection.reset();
  }

  setRule(next: RuleInForce | null): void {
    this.#inForce?.traffic.end();
    this.#inForce = next;
    this.#heal();
    for (const connection of this.#connections) connection.releaseDelayed();
    if (next === null) return;
    this.#bytesForwarded = 0;
    const { rule, traffic } = next;
    traffic.begin(this.#connections);
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
    const kind = this.#inForce?.rule.rule.kind;
    if (kind === 'reset') {
      this.#inForce?.traffic.onRefused();
      client.on('error', () => {}); // It may be closed already.
      client.resetAndDestroy();
    } else if (kind === 'blackhole' || kind === 'half-open') this.#swallow(client);
    else {
      const server = connectUpstream(this.#upstream);
      const framing = createFraming(this.description.protocol);
      const sockets = { client, server };
      this.#connections.add(this.#host.createConnection(this.#connectionHost, sockets, framing));
    }
  }

  #swallow(client: Socket): void {
    this.#inForce?.traffic.onRefused();
    this.#swallowed.add(client);
    client.on('error', () => {}); // 'close' follows.
    client.on('end', () => client.destroy());
    client.on('close', () => this.#swallowed.delete(client));
    client.resume();
  }
}
