/**
 * The run's handle on the fault proxy's process, which carries every edge that is declared proxied. Every wait has a
 * limit, and a proxy that dies fails whatever is waited for, with the end of its log as the reason.
 */
import { preferGenerator } from '../../load/engine/generator-priority.ts';
import { type Child, ChildFailure, startChild } from '../../process/child-process.ts';
import type { Lease } from '../../process/lease.ts';
import { distModule, packageRoot } from '../../process/package-root.ts';
import { probeRoute } from './probe.ts';
import type {
  Endpoint,
  FromProxy,
  ProxyAnswer,
  ProxyDecision,
  ProxyRequest,
  Route,
  ToProxy,
} from './protocol.ts';
import type { LinkRule } from './rule.ts';

const ANSWER_LIMIT_MS = 10_000;
/** Beyond these, decisions still reach the listeners. */
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
  /** Resolves when the rule acts. The last rule applied to a route rules it; one target has one rule. */
  apply(target: string, routes: readonly string[], rule: LinkRule): Promise<void>;
  /** Idempotent. Connections that lost bytes are reset. */
  clear(target: string): Promise<void>;
  /** New connections go to another server, those that are open are reset. */
  retarget(routes: readonly string[], upstream: Endpoint): Promise<void>;
  /** Bytes handed on, both ways together, since the present rule of each route began to act. */
  bytesForwarded(routes: readonly string[]): Promise<readonly number[]>;
  /** True when a request and its answer pass through the route. */
  probe(routeName: string): Promise<boolean>;
  /** Resolves when a COMMIT has been forwarded; its reply is kept back for half a second from then on. */
  onCommit(timeoutMs: number): Promise<void>;
  onDecision(listener: (decision: ProxyDecision) => void): void;
  decisions(): readonly ProxyDecision[];
  /** Idempotent. */
  close(): Promise<void>;
}

export async function startProxy(options: ProxyOptions): Promise<FaultProxy> {
  const child = await startChild({
    name: 'fault-proxy',
    command: process.execPath,
    args: ['--enable-source-maps', distModule('sim/effects/faults/proxy/process.js')],
    env: process.env,
    cwd: packageRoot,
    logFile: options.logFile,
    user: null,
    cores: options.cores,
    ipc: true,
    lease: options.lease,
    stopSignals: ['SIGTERM'],
  });
  // Like the generator's, its delays would be measured as the platform's.
  preferGenerator(child.pid);
  const calls = new Calls(child);
  const routes = new Map<string, { route: Route; address: Endpoint }>();
  const find = (name: string) => {
    const found = routes.get(name);
    if (found === undefined) throw new Error(`the fault proxy has no route ${name}`);
    return found;
  };
  const proxy: FaultProxy = {
    pid: child.pid,
    child,
    async open(route) {
      const port = (await calls.ask({ type: 'open', route })) as number;
      const address = { host: '127.0.0.1', port };
      routes.set(route.name, { route, address });
      return address;
    },
    addressOf: (name) => find(name).address,
    async apply(target, names, rule) {
      await calls.ask({ type: 'apply', target, routes: names, rule });
    },
    async clear(target) {
      await calls.ask({ type: 'clear', target });
    },
    async retarget(names, upstream) {
      await calls.ask({ type: 'retarget', routes: names, upstream });
    },
    bytesForwarded: async (names) =>
      (await calls.ask({ type: 'count-bytes', routes: names })) as readonly number[],
    probe: async (name) => await probeRoute(find(name).address, find(name).route),
    async onCommit(timeoutMs) {
      await calls.ask({ type: 'await-commit', timeoutMs }, timeoutMs + ANSWER_LIMIT_MS);
    },
    onDecision: (listener) => void calls.listeners.push(listener),
    decisions: () => calls.decisions,
    close: () => child.stop(),
  };
  try {
    await calls.ask({ type: 'init', seed: options.seed });
    for (const route of options.routes) await proxy.open(route);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return proxy;
}

interface Call {
  readonly resolve: (answer: ProxyAnswer) => void;
  readonly reject: (error: Error) => void;
  readonly limit: NodeJS.Timeout;
}

/** Requests to the process and their answers, by number. */
class Calls {
  readonly decisions: ProxyDecision[] = [];
  readonly listeners: ((decision: ProxyDecision) => void)[] = [];
  readonly #child: Child;
  readonly #open = new Map<number, Call>();
  #lastId = 0;
  #failure: Error | null = null;

  constructor(child: Child) {
    this.#child = child;
    child.process.on('message', (message) => this.#receive(message as FromProxy));
    void child.exited.then((notice) => {
      this.#fail(new ChildFailure(`ended (${notice.status})`, notice));
    });
  }

  ask(request: ProxyRequest, limitMs = ANSWER_LIMIT_MS): Promise<ProxyAnswer> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        this.#open.delete(id);
        reject(new Error(`the fault proxy did not answer ${request.type} in ${limitMs / 1000} s`));
      }, limitMs);
      this.#open.set(id, { resolve, reject, limit });
      this.#child.process.send({ ...request, id } satisfies ToProxy);
    });
  }

  #receive(message: FromProxy): void {
    if (message.type === 'fatal') {
      this.#fail(new Error(`the fault proxy failed: ${message.message}`));
    } else if (message.type === 'decision') {
      if (this.decisions.length < MAX_DECISIONS) this.decisions.push(message.decision);
      for (const listener of this.listeners) listener(message.decision);
    } else {
      const call = this.#open.get(message.id);
      if (call === undefined) return;
      this.#open.delete(message.id);
      clearTimeout(call.limit);
      if (message.type === 'done') call.resolve(message.answer);
      else call.reject(new Error(message.message));
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject, limit } of this.#open.values()) {
      clearTimeout(limit);
      reject(this.#failure);
    }
    this.#open.clear();
  }
}
