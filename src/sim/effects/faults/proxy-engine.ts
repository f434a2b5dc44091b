/**
 * The rules of all links and the routes they act on. Rules pile up: the one applied last rules a route, and when
 * it is cleared the one below it rules again, with the choices it had made.
 */

import type { LinkRule } from '../../fault-plan.ts';
import { createRandom, type Random } from '../../pure/random.ts';
import { monotonicUs } from '../load/engine/monotonic-clock.ts';
import type { ProxyDecision, Route, RouteFilter } from './proxy-protocol.ts';
import { ProxyRoute } from './proxy-route.ts';
import { type ActiveRule, activate } from './proxy-rule.ts';

interface Applied {
  readonly filter: RouteFilter;
  readonly rule: LinkRule;
  readonly active: Map<ProxyRoute, ActiveRule>;
}

interface Tracked {
  readonly route: ProxyRoute;
  current: Applied | null;
  /** Rules this route has had; names the next one's generator. */
  count: number;
}

const sameFilter = (a: RouteFilter, b: RouteFilter) =>
  a.link === b.link && a.instance === b.instance;
const covers = (filter: RouteFilter, route: Route) =>
  filter.link === route.link && (filter.instance === null || filter.instance === route.instance);

export class ProxyEngine {
  readonly #random: Random;
  readonly #onDecision: (decision: ProxyDecision) => void;
  readonly #routes = new Map<string, Tracked>();
  readonly #commitWaiters = new Set<() => void>();
  #applied: Applied[] = [];

  constructor(seed: number, onDecision: (decision: ProxyDecision) => void) {
    this.#random = createRandom(seed).fork('fault-proxy');
    this.#onDecision = onDecision;
  }

  async open(description: Route): Promise<number> {
    if (this.#routes.has(description.name)) throw new Error(`two routes ${description.name}`);
    const route = new ProxyRoute(description, {
      decided: (_route, name, detail) =>
        this.#onDecision({ kind: 'fault', name, event: 'decision', atUs: monotonicUs(), detail }),
      commitAwaited: () => this.#commitWaiters.size > 0,
      commitForwarded: () => {
        for (const resolve of this.#commitWaiters) resolve();
      },
    });
    const tracked: Tracked = { route, current: null, count: 0 };
    this.#routes.set(description.name, tracked);
    const port = await route.listen();
    this.#refresh(tracked);
    return port;
  }

  apply(filter: RouteFilter, rule: LinkRule): void {
    this.#require(filter);
    activate(rule, this.#random); // Throws before anything has changed.
    this.#applied = this.#applied.filter((one) => !sameFilter(one.filter, filter));
    this.#applied.push({ filter, rule, active: new Map() });
    for (const tracked of this.#routes.values()) this.#refresh(tracked);
  }

  /** Nothing applied, nothing to do: undo is idempotent. */
  clear(filter: RouteFilter): void {
    this.#require(filter);
    this.#applied = this.#applied.filter((one) => !sameFilter(one.filter, filter));
    for (const tracked of this.#routes.values()) this.#refresh(tracked);
  }

  async awaitCommit(timeoutMs: number): Promise<void> {
    const routes = [...this.#routes.values()];
    if (!routes.some(({ route }) => route.route.protocol === 'postgres')) {
      throw new Error('no route carries PostgreSQL: a COMMIT cannot be seen');
    }
    await new Promise<void>((resolve, reject) => {
      const done = () => {
        clearTimeout(limit);
        this.#commitWaiters.delete(done);
        resolve();
      };
      const limit = setTimeout(() => {
        this.#commitWaiters.delete(done);
        reject(new Error(`no COMMIT was forwarded within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#commitWaiters.add(done);
    });
  }

  close(): void {
    for (const { route } of this.#routes.values()) route.close();
  }

  #require(filter: RouteFilter): void {
    const routes = [...this.#routes.values()];
    if (routes.some(({ route }) => covers(filter, route.route))) return;
    throw new Error(`no route on link ${filter.link} of ${filter.instance ?? 'any instance'}`);
  }

  #refresh(tracked: Tracked): void {
    const { route } = tracked;
    const next = this.#applied.findLast(({ filter }) => covers(filter, route.route)) ?? null;
    if (next === tracked.current) return;
    tracked.current = next;
    if (next !== null && !next.active.has(route)) {
      tracked.count += 1;
      const label = `${route.route.name}/${next.rule.kind}/${tracked.count}`;
      next.active.set(route, activate(next.rule, this.#random.fork(label)));
    }
    route.change(next?.active.get(route) ?? null);
  }
}
