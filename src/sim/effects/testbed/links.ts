/**
 * The proxied links of a testbed. Each process of the service has a route of its own to each store, so that one
 * alone can be cut off; links a scenario does not declare are direct. The one-shot steps always are.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { LinkName, LinkRule } from '../../fault-plan.ts';
import {
  type Proxy as FaultProxy,
  type ProxyDecision,
  type Route,
  startProxy,
} from '../faults/proxy.ts';
import type { DeathNotice } from '../process/child-process.ts';
import type { Lease } from '../process/lease.ts';
import type { Undo } from '../process/undo.ts';

export interface Links {
  /** Throws unless this link is proxied; `instance` null means every process of the service. */
  assertKnown(link: LinkName, instance: string | null): void;
  apply(link: LinkName, instance: string | null, rule: LinkRule): Promise<void>;
  clear(link: LinkName, instance: string | null): Promise<void>;
  /** True when a round trip passes on every route it is about, else which one does not. */
  probe(link: LinkName, instance: string | null): Promise<true | string>;
  /** How many of the routes answer within `limitMs`. */
  answering(link: LinkName, instance: string | null, limitMs: number): Promise<number>;
  /** Resolves while a COMMIT is with the server and its reply is kept back; rejects after `limitMs`. */
  commitInFlight(limitMs: number, signal: AbortSignal): Promise<void>;
  /** What the proxy has chosen so far, in order; times on the machine's monotonic clock. */
  decisions(): readonly ProxyDecision[];
  onDecision(listener: (decision: ProxyDecision) => void): void;
}

export interface StoreAddresses {
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

export interface LinksOptions {
  readonly links: readonly LinkName[];
  readonly instances: readonly string[];
  readonly stores: StoreAddresses;
  readonly seed: number;
  readonly cores: string | null;
  readonly lease: Lease;
  readonly undo: Undo;
  readonly logFile: string;
  readonly onDeath?: ((notice: DeathNotice) => void) | undefined;
}

/** The proxy holds up the first COMMIT it sees while it is asked: nobody may go on asking unheard. */
const COMMIT_SLICE_MS = 250;

/** Name of a route, which also opens the detail of its decisions. */
const routeName = (link: LinkName, instance: string): string => `${link}/${instance}`;

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'postgres:': 5432, 'redis:': 6379 };

function routeTo(link: LinkName, instance: string, address: string): Route {
  const url = new URL(address);
  const scheme = url.protocol.replace('postgresql', 'postgres').replace('rediss', 'redis');
  const protocol = scheme === 'postgres:' ? 'postgres' : scheme === 'redis:' ? 'resp' : 'http';
  const port = Number(url.port) || (DEFAULT_PORTS[scheme] ?? 80);
  const upstream = { host: url.hostname.replace(/^\[|\]$/g, ''), port };
  return { name: routeName(link, instance), link, instance, protocol, upstream };
}

function through(address: string, { host, port }: { host: string; port: number }): string {
  const url = new URL(address);
  url.hostname = host;
  url.port = String(port);
  // A URL without a path gets one here; clients append theirs.
  return address.endsWith('/') ? url.toString() : url.toString().replace(/\/$/, '');
}

/** The proxy's side of a testbed that is being assembled. */
export class ProxiedLinks implements Links {
  readonly proxy: FaultProxy;
  readonly #routes: Route[] = [];
  readonly #options: LinksOptions;

  private constructor(proxy: FaultProxy, options: LinksOptions) {
    this.proxy = proxy;
    this.#options = options;
  }

  /** Starts the proxy with the routes to the stores. */
  static async open(options: LinksOptions): Promise<ProxiedLinks> {
    const { lease, logFile, cores, seed, undo, onDeath } = options;
    const proxy = await startProxy({ lease, logFile, cores, seed, routes: [] });
    let closing = false;
    undo.add('the fault proxy', () => {
      closing = true;
      return proxy.close();
    });
    void proxy.child.exited.then((notice) => {
      if (!closing) onDeath?.(notice);
    });
    const links = new ProxiedLinks(proxy, options);
    for (const instance of options.instances) {
      await links.#route('service-postgres', instance, options.stores.databaseUrl);
      await links.#route('service-redis', instance, options.stores.redisUrl);
    }
    return links;
  }

  /** Where this process finds its stores. */
  storesOf(instance: string): StoreAddresses {
    const { databaseUrl, redisUrl } = this.#options.stores;
    return {
      databaseUrl: this.#addressOf('service-postgres', instance, databaseUrl),
      redisUrl: this.#addressOf('service-redis', instance, redisUrl),
    };
  }

  /** Where a client finds this process; its own address when that link is direct. */
  async publish(instance: string, url: string): Promise<string> {
    await this.#route('client-service', instance, url);
    return this.#addressOf('client-service', instance, url);
  }

  assertKnown(link: LinkName, instance: string | null): void {
    this.#find(link, instance);
  }

  async apply(link: LinkName, instance: string | null, rule: LinkRule): Promise<void> {
    this.#find(link, instance);
    await this.proxy.apply({ link, instance }, rule);
  }

  async clear(link: LinkName, instance: string | null): Promise<void> {
    await this.proxy.clear({ link, instance });
  }

  async probe(link: LinkName, instance: string | null): Promise<true | string> {
    const names = this.#find(link, instance).map(({ name }) => name);
    const passed = await Promise.all(names.map((name) => this.proxy.probe(name)));
    const silent = names.filter((_, index) => !passed[index]);
    return silent.length === 0 || `no answer through ${silent.join(', ')}`;
  }

  async answering(link: LinkName, instance: string | null, limitMs: number): Promise<number> {
    const names = this.#find(link, instance).map(({ name }) => name);
    const passed = await Promise.all(
      names.map((name) => Promise.race([this.proxy.probe(name), delay(limitMs, false)])),
    );
    return passed.filter(Boolean).length;
  }

  async commitInFlight(limitMs: number, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      signal.throwIfAborted();
      try {
        return await this.proxy.onCommit(COMMIT_SLICE_MS);
      } catch (error) {
        if (performance.now() > deadline || this.proxy.child.isExited()) throw error;
      }
    }
  }

  decisions(): readonly ProxyDecision[] {
    return this.proxy.decisions();
  }

  onDecision(listener: (decision: ProxyDecision) => void): void {
    this.proxy.onDecision(listener);
  }

  async #route(link: LinkName, instance: string, address: string): Promise<void> {
    if (!this.#options.links.includes(link)) return;
    const route = routeTo(link, instance, address);
    await this.proxy.open(route);
    this.#routes.push(route);
  }

  #addressOf(link: LinkName, instance: string, direct: string): string {
    if (!this.#options.links.includes(link)) return direct;
    return through(direct, this.proxy.addressOf(routeName(link, instance)));
  }

  #find(link: LinkName, instance: string | null): readonly Route[] {
    const found = this.#routes.filter(
      (route) => route.link === link && (instance === null || route.instance === instance),
    );
    if (found.length > 0) return found;
    const known = this.#routes.map(({ name }) => name).join(', ');
    throw new Error(`link ${routeName(link, instance ?? '*')} is not proxied; known: ${known}`);
  }
}
