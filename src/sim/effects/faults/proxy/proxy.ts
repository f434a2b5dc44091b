/**
 * The run's client of the fault proxy's process, which carries every proxied edge. Every wait has a limit; a proxy that
 * dies rejects all pending requests, with the end of its log as the reason. Our own because a byte proxy cannot cut a
 * connection between request and reply: added p50 33 us, Toxiproxy 57 us (D-051, `npm run bench -- proxy`).
 */
import { preferGenerator } from '../../load/engine/generator-priority.ts';
import { PendingAnswers } from '../../pending-answers.ts';
import { type Child, startOwnChild } from '../../process/child-process.ts';
import type { Lease } from '../../process/lease.ts';
import { distModule, packageRoot } from '../../process/package-root.ts';
import { probeRoute } from './probe.ts';
import type {
  Endpoint,
  FromProxy,
  ProxyDecision,
  ProxyRequest,
  ProxyResult,
  Route,
  RouteTraffic,
  ToProxy,
  Upstream,
} from './protocol.ts';
import type { LinkRule } from './rule.ts';

const ANSWER_LIMIT_MS = 10_000;
/** Stored at most; later decisions still reach the listeners. */
const MAX_DECISIONS = 10_000;

export interface ProxyOptions {
  readonly lease: Lease;
  readonly logFile: string;
  /** A `taskset -c` list, or null for any core. */
  readonly cores: string | null;
  readonly seed: number;
  readonly routes: readonly Route[];
}

export interface FaultProxy {
  readonly pid: number;
  readonly child: Child;
  /** Adds a route whose server was not up yet when the proxy started. */
  open(route: Route): Promise<Endpoint>;
  addressOf(routeName: string): Endpoint;
  /** Resolves when the rule is in force. The last rule applied to a route wins; one target has one rule. */
  apply(target: string, routes: readonly string[], rule: LinkRule): Promise<void>;
  /** Idempotent. Connections that lost bytes are reset. */
  clear(target: string): Promise<void>;
  /** New connections go to another server, open ones are reset. */
  retarget(routes: readonly string[], upstream: Upstream): Promise<void>;
  /** Bytes forwarded in both directions since the current rule of each route took effect. */
  bytesForwarded(routes: readonly string[]): Promise<readonly number[]>;
  /** What each route of a target's rule did while it was in force. */
  measure(target: string): Promise<readonly RouteTraffic[]>;
  /** True when a request and its reply pass through the route. */
  probe(routeName: string): Promise<boolean>;
  /** Resolves when a COMMIT has been forwarded; its reply is held back for half a second from then on. */
  waitForCommit(timeoutMs: number): Promise<void>;
  onDecision(listener: (decision: ProxyDecision) => void): void;
  decisions(): readonly ProxyDecision[];
  /** Idempotent. */
  close(): Promise<void>;
}

export async function startProxy(options: ProxyOptions): Promise<FaultProxy> {
  const child = await startOwnChild({
    name: 'fault-proxy',
    module: distModule('sim/effects/faults/proxy/process.js'),
    nodeArgs: ['--enable-source-maps'],
    cwd: packageRoot,
    logFile: options.logFile,
    cores: options.cores,
    lease: options.lease,
  });
  // Its delays would be measured as the platform's, like the generator's.
  preferGenerator(child.pid);
  const channel = new RequestChannel(child);
  const routes = new Map<string, { route: Route; address: Endpoint }>();
  const routeOf = (name: string) => {
    const found = routes.get(name);
    if (found === undefined) throw new Error(`the fault proxy has no route ${name}`);
    return found;
  };
  const proxy: FaultProxy = {
    pid: child.pid,
    child,
    async open(route) {
      const port = (await channel.request({ type: 'open', route })) as number;
      const address = { host: '127.0.0.1', port };
      routes.set(route.name, { route, address });
      return address;
    },
    addressOf: (name) => routeOf(name).address,
    async apply(target, names, rule) {
      await channel.request({ type: 'apply', target, routes: names, rule });
    },
    async clear(target) {
      await channel.request({ type: 'clear', target });
    },
    async retarget(names, upstream) {
      await channel.request({ type: 'retarget', routes: names, upstream });
    },
    bytesForwarded: async (names) =>
      (await channel.request({ type: 'count-bytes', routes: names })) as readonly number[],
    measure: async (target) =>
      (await channel.request({ type: 'measure', target })) as readonly RouteTraffic[],
    probe: async (name) => await probeRoute(routeOf(name).address, routeOf(name).route),
    async waitForCommit(timeoutMs) {
      await channel.request({ type: 'await-commit', timeoutMs }, timeoutMs + ANSWER_LIMIT_MS);
    },
    onDecision: (listener) => void channel.listeners.push(listener),
    decisions: () => channel.decisions,
    close: () => child.stop(),
  };
  try {
    await channel.request({ type: 'init', seed: options.seed });
    for (const route of options.routes) await proxy.open(route);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return proxy;
}

/** Requests to the process and their results, matched by id. */
class RequestChannel {
  readonly decisions: ProxyDecision[] = [];
  readonly listeners: ((decision: ProxyDecision) => void)[] = [];
  readonly #child: Child;
  readonly #answers: PendingAnswers<FromProxy>;
  #lastId = 0;

  constructor(child: Child) {
    this.#child = child;
    this.#answers = new PendingAnswers('the fault proxy', child);
    child.process.on('message', (message) => this.#receive(message as FromProxy));
  }

  async request(request: ProxyRequest, limitMs = ANSWER_LIMIT_MS): Promise<ProxyResult> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = this.#answers.next(
      request.type,
      limitMs,
      (message): message is ProxyAnswer => 'id' in message && message.id === id,
    );
    if (!this.#answers.hasFailed) this.#child.process.send({ ...request, id } satisfies ToProxy);
    const found = await answer;
    if (found.type === 'failed') throw new Error(found.message);
    return found.result;
  }

  #receive(message: FromProxy): void {
    if (message.type === 'fatal') {
      this.#answers.fail(new Error(`the fault proxy failed: ${message.message}`));
    } else if (message.type === 'decision') {
      if (this.decisions.length < MAX_DECISIONS) this.decisions.push(message.decision);
      for (const listener of this.listeners) listener(message.decision);
    } else this.#answers.receive(message);
  }
}

type ProxyAnswer = Extract<FromProxy, { readonly id: number }>;
