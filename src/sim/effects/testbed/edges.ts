/**
 * The edges of a testbed. A proxied edge has one route for each process at its source and each server at its
 * destination, so that a single one can be cut; other edges are direct. One-shot jobs never go through the proxy.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { edgeName, resolveEdgeTarget } from '../../plan/fault-target.ts';
import { CLIENT, type EdgeSpec, type Topology } from '../../topology.ts';
import { maxRoundTripMs } from '../faults/proxy/probe.ts';
import type { BaseLatency, ProxyDecision, Route, RouteTraffic } from '../faults/proxy/protocol.ts';
import { type FaultProxy, startProxy } from '../faults/proxy/proxy.ts';
import type { LinkRule } from '../faults/proxy/rule.ts';
import type { ExitNotice } from '../process/child-process.ts';
import type { Lease } from '../process/lease.ts';
import type { UndoStack } from '../process/undo-stack.ts';
import { protocolOf, upstreamOf, withEndpoint } from './edge-address.ts';
import { edgeAddress, mapServers } from './logins.ts';
import type { Address, RunningNode } from './node.ts';

/** Targets are edges in the syntax of fault-target.ts; a target that matches no proxied edge throws. */
export interface Edges {
  /** The proxy's process; null when no edge needs one. */
  readonly proxyPid: number | null;
  assertProxied(target: string): void;
  /** The destination's address for the process `member` at the source. From the client: `member` is `client`. */
  addressOf(edge: EdgeSpec, member: string): Address;
  /** Resolves when the rule is in force, in addition to the edge's own latency. The last rule applied to a route wins. */
  apply(target: string, rule: LinkRule): Promise<void>;
  /** Idempotent. Connections that lost bytes are reset. */
  clear(target: string): Promise<void>;
  /** True when a round trip passes on every route of the target, else which route does not answer. */
  probe(target: string): Promise<true | string>;
  /** How many of the routes answer within `limitMs`, plus the edge's own latency. */
  countResponding(target: string, limitMs: number): Promise<number>;
  /** Bytes forwarded in both directions since the current rule took effect, by the route's name. */
  bytesForwarded(target: string): Promise<Readonly<Record<string, number>>>;
  /** What each route did while the rule that was applied last to the target was in force; null: it never was. */
  measure(target: string): Promise<Readonly<Record<string, RouteTraffic | null>>>;
  /** Points the routes to a node's first server at another one: new connections go there, open ones are reset. */
  retarget(node: string, url: string): Promise<void>;
  /** True when an edge to PostgreSQL goes through the proxy. */
  canObserveCommits(): boolean;
  /** Resolves when a COMMIT has been forwarded and its reply is held back; rejects after `limitMs`. */
  waitForCommitInFlight(limitMs: number, signal: AbortSignal): Promise<void>;
  /** The proxy's decisions so far, in order; times on the machine's monotonic clock. */
  decisions(): readonly ProxyDecision[];
  decisionsOn(target: string): readonly ProxyDecision[];
  onDecision(listener: (decision: ProxyDecision) => void): void;
}

export interface EdgesOptions {
  readonly topology: Topology;
  /** Names of a node's processes, before it is started. */
  membersOf(node: string): readonly string[];
  readonly seed: number;
  readonly cores: string | null;
  readonly lease: Lease;
  readonly undo: UndoStack;
  readonly logFile: string;
  readonly onUnexpectedExit?: ((notice: ExitNotice) => void) | undefined;
}

interface OpenRoute {
  readonly edge: EdgeSpec;
  /** Name of the process at the source. */
  readonly source: string;
  /** Name of the server at the destination. */
  readonly destination: string;
  /** To the destination's first or only server. */
  readonly isFirst: boolean;
  readonly route: Route;
}

/**
 * The wait for a COMMIT is split into requests of this length: an open request makes the proxy hold back the reply to
 * the next COMMIT, also after the wait was aborted here.
 */
const COMMIT_WAIT_MS = 250;

/** The servers a client of a node connects to, by the names of its processes. */
function serversOf({ name, members, address: { urls } }: RunningNode) {
  return urls.map((url, index) => {
    const numberedName =
      members.length === urls.length ? members[index]!.name : `${name}.${index + 1}`;
    return { name: urls.length === 1 ? name : numberedName, url };
  });
}

function baseLatencyOf({ roundTripMs = 0, jitterMs = 0 }: EdgeSpec): BaseLatency | null {
  return roundTripMs === 0 && jitterMs === 0 ? null : { roundTripMs, jitterMs };
}

/** The edges of a testbed that is being assembled. */
export class TestbedEdges implements Edges {
  readonly #proxy: FaultProxy | null;
  readonly #options: EdgesOptions;
  readonly #nodes = new Map<string, RunningNode>();
  readonly #routes: OpenRoute[] = [];

  private constructor(proxy: FaultProxy | null, options: EdgesOptions) {
    this.#proxy = proxy;
    this.#options = options;
  }

  /** Starts the proxy, without routes, if an edge needs it. */
  static async open(options: EdgesOptions): Promise<TestbedEdges> {
    const { topology, lease, logFile, cores, seed, undo, onUnexpectedExit } = options;
    if (!topology.edges.some(({ proxied }) => proxied)) return new TestbedEdges(null, options);
    const proxy = await startProxy({ lease, logFile, cores, seed, routes: [] });
    let isClosing = false;
    undo.add('the fault proxy', () => {
      isClosing = true;
      return proxy.close();
    });
    void proxy.child.exited.then((notice) => {
      if (!isClosing) onUnexpectedExit?.(notice);
    });
    return new TestbedEdges(proxy, options);
  }

  /** Opens the routes to a running node; afterwards addressOf() works for its edges. */
  async connect(node: RunningNode): Promise<void> {
    this.#nodes.set(node.name, node);
    for (const edge of this.#options.topology.edges) {
      if (edge.to !== node.name || edge.proxied !== true) continue;
      const sources = edge.from === CLIENT ? [CLIENT] : this.#options.membersOf(edge.from);
      for (const member of sources) await this.#open(edge, member, node);
    }
  }

  get proxyPid(): number | null {
    return this.#proxy?.pid ?? null;
  }

  assertProxied(target: string): void {
    this.#routesOf(target);
  }

  addressOf(edge: EdgeSpec, member: string): Address {
    const node = this.#nodes.get(edge.to);
    if (node === undefined) throw new Error(`${edge.to} is not up: it has no address yet`);
    const address = edgeAddress(node, edge);
    if (edge.proxied !== true) return address;
    const servers = serversOf(node);
    return mapServers(address, (url, index) =>
      withEndpoint(url, this.#requireProxy().addressOf(`${member}->${servers[index]!.name}`)),
    );
  }

  async apply(target: string, rule: LinkRule): Promise<void> {
    await this.#requireProxy().apply(target, this.#routeNames(target), rule);
  }

  async clear(target: string): Promise<void> {
    this.#routesOf(target);
    await this.#requireProxy().clear(target);
  }

  async probe(target: string): Promise<true | string> {
    const names = this.#routeNames(target);
    const passed = await Promise.all(names.map((name) => this.#requireProxy().probe(name)));
    const unanswered = names.filter((_, index) => !passed[index]);
    return unanswered.length === 0 || `no answer through ${unanswered.join(', ')}`;
  }

  async countResponding(target: string, limitMs: number): Promise<number> {
    const passed = await Promise.all(
      this.#routesOf(target).map(({ route: { name, base } }) =>
        Promise.race([
          this.#requireProxy().probe(name),
          delay(limitMs + maxRoundTripMs(base), false),
        ]),
      ),
    );
    return passed.filter(Boolean).length;
  }

  async bytesForwarded(target: string): Promise<Readonly<Record<string, number>>> {
    const names = this.#routeNames(target);
    const counts = await this.#requireProxy().bytesForwarded(names);
    return Object.fromEntries(names.map((name, index) => [name, counts[index]!]));
  }

  async measure(target: string): Promise<Readonly<Record<string, RouteTraffic | null>>> {
    const names = this.#routeNames(target);
    const measured = await this.#requireProxy().measure(target);
    const trafficOf = (name: string) => measured.find(({ route }) => route === name) ?? null;
    return Object.fromEntries(names.map((name) => [name, trafficOf(name)]));
  }

  async retarget(node: string, url: string): Promise<void> {
    const routes = this.#routes.filter(({ edge, isFirst }) => edge.to === node && isFirst);
    if (routes.length === 0) return;
    const names = routes.map(({ route }) => route.name);
    await this.#requireProxy().retarget(names, upstreamOf(url));
  }

  canObserveCommits(): boolean {
    return this.#routes.some(({ route }) => route.protocol === 'postgres');
  }

  async waitForCommitInFlight(limitMs: number, signal: AbortSignal): Promise<void> {
    const proxy = this.#requireProxy();
    const deadline = performance.now() + limitMs;
    for (;;) {
      signal.throwIfAborted();
      try {
        return await proxy.waitForCommit(COMMIT_WAIT_MS);
      } catch (error) {
        if (performance.now() > deadline || proxy.child.isExited()) throw error;
      }
    }
  }

  decisions(): readonly ProxyDecision[] {
    return this.#proxy?.decisions() ?? [];
  }

  decisionsOn(target: string): readonly ProxyDecision[] {
    const prefixes = this.#routeNames(target).map((name) => `${name} `);
    return this.decisions().filter(({ detail }) =>
      prefixes.some((prefix) => detail?.startsWith(prefix)),
    );
  }

  onDecision(listener: (decision: ProxyDecision) => void): void {
    this.#proxy?.onDecision(listener);
  }

  async #open(edge: EdgeSpec, source: string, node: RunningNode): Promise<void> {
    for (const [index, { name: destination, url }] of serversOf(node).entries()) {
      const route: Route = {
        name: `${source}->${destination}`,
        protocol: protocolOf(url),
        upstream: upstreamOf(url),
        base: baseLatencyOf(edge),
      };
      await this.#requireProxy().open(route);
      this.#routes.push({ edge, source, destination, isFirst: index === 0, route });
    }
  }

  #requireProxy(): FaultProxy {
    if (this.#proxy === null) throw new Error('no edge of this topology goes through the proxy');
    return this.#proxy;
  }

  #routeNames(target: string): string[] {
    return this.#routesOf(target).map(({ route }) => route.name);
  }

  #routesOf(target: string): readonly OpenRoute[] {
    const { edge, source, destination } = resolveEdgeTarget(target, this.#options.topology);
    const found = this.#routes.filter(
      (open) =>
        open.edge === edge &&
        (source === null || open.source === source) &&
        (destination === null || open.destination === destination),
    );
    if (found.length > 0) return found;
    const known = this.#routes.map(({ route }) => route.name).join(', ') || 'nothing';
    const what =
      edge.proxied === true ? `${target} has no route` : `edge ${edgeName(edge)} is not proxied`;
    throw new Error(`${what}; routes: ${known}`);
  }
}
