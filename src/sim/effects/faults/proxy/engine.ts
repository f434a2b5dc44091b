/**
 * The rules of all edges and the routes they act on. Rules stack: the one applied last rules a route, and when it
 * is cleared the one below it rules again, with the choices it had made.
 */

import { createRandom, type Random } from '../../../pure/random.ts';
import { monotonicUs } from '../../load/engine/monotonic-clock.ts';
import type { Endpoint, ProxyDecision, Route } from './protocol.ts';
import { ProxyRoute } from './route.ts';
import { type ActiveRule, activate, type LinkRule } from './rule.ts';

interface Applied {
  readonly target: string;
  readonly routes: ReadonlySet<ProxyRoute>;
  readonly rule: LinkRule;
  readonly active: Map<ProxyRoute, ActiveRule>;
}

interface Tracked {
  readonly route: ProxyRoute;
  current: Applied | null;
  /** Rules this route has had; names the next one's generator. */
  count: number;
}

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
    const { name, base } = description;
    if (this.#routes.has(name)) throw new Error(`two routes ${name}`);
    const host = {
      decided: (kind: string, detail: string) =>
        this.#onDecision({
          kind: 'fault',
          name: kind,
          event: 'decision',
          atUs: monotonicUs(),
          detail: `${name} ${detail}`,
        }),
      commitAwaited: () => this.#commitWaiters.size > 0,
      commitForwarded: () => {
        for (const resolve of this.#commitWaiters) resolve();
      },
    };
    const latency: LinkRule | null = base && {
      kind: 'latency',
      meanMs: base.roundTripMs,
      jitterMs: base.jitterMs,
    };
    const always = latency && activate(latency, this.#random.fork(`${name}/base`));
    const route = new ProxyRoute(description, always, host);
    this.#routes.set(name, { route, current: null, count: 0 });
    return await route.listen();
  }

  apply(target: string, names: readonly string[], rule: LinkRule): void {
    const routes = new Set(names.map((name) => this.#find(name).route));
    activate(rule, this.#random); // Throws before anything has changed.
    this.#applied = this.#applied.filter((one) => one.target !== target);
    this.#applied.push({ target, routes, rule, active: new Map() });
    for (const tracked of this.#routes.values()) this.#refresh(tracked);
  }

  /** Nothing applied, nothing to do: undo is idempotent. */
  clear(target: string): void {
    this.#applied = this.#applied.filter((one) => one.target !== target);
    for (const tracked of this.#routes.values()) this.#refresh(tracked);
  }

  retarget(names: readonly string[], upstream: Endpoint): void {
    const found = names.map((name) => this.#find(name));
    for (const { route } of found) route.retarget(upstream);
  }

  bytesForwarded(names: readonly string[]): number[] {
    return names.map((name) => this.#find(name).route.bytesForwarded);
  }

  async awaitCommit(timeoutMs: number): Promise<void> {
    const routes = [...this.#routes.values()];
    if (!routes.some(({ route }) => route.description.protocol === 'postgres')) {
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

  #find(name: string): Tracked {
    const found = this.#routes.get(name);
    if (found === undefined) throw new Error(`the fault proxy has no route ${name}`);
    return found;
  }

  #refresh(tracked: Tracked): void {
    const { route } = tracked;
    const next = this.#applied.findLast(({ routes }) => routes.has(route)) ?? null;
    if (next === tracked.current) return;
    tracked.current = next;
    if (next !== null && !next.active.has(route)) {
      tracked.count += 1;
      const label = `${route.description.name}/${next.rule.kind}/${tracked.count}`;
      next.active.set(route, activate(next.rule, this.#random.fork(label)));
    }
    route.change(next?.active.get(route) ?? null);
  }
}
