/**
 * The rules of all edges and the routes they act on. Rules stack: the last one applied is in force on a route; when it is
 * cleared, the one below is in force again, with the choices it has made.
 */
import { createRandom, type Random } from '../../../pure/random.ts';
import { monotonicUs } from '../../load/engine/monotonic-clock.ts';
import type { ProxyDecision, Route, RouteTraffic, Upstream } from './protocol.ts';
import { createConnection, ProxyRoute, type RouteHost, type RuleInForce } from './route.ts';
import { activateRule, type LinkRule } from './rule.ts';
import { RuleTraffic } from './rule-traffic.ts';

/** How a rule's effect is produced; a test plants defects here. */
export interface ProxyParts extends Pick<RouteHost, 'createConnection'> {
  readonly activate: typeof activateRule;
}
const PARTS: ProxyParts = { activate: activateRule, createConnection };

interface AppliedRule {
  readonly target: string;
  readonly routes: ReadonlySet<ProxyRoute>;
  readonly rule: LinkRule;
  readonly active: Map<ProxyRoute, RuleInForce>;
}

interface RouteState {
  readonly route: ProxyRoute;
  current: AppliedRule | null;
  /** Rules applied to this route so far; part of the label of the next rule's generator. */
  count: number;
}

export class ProxyEngine {
  readonly #random: Random;
  readonly #onDecision: (decision: ProxyDecision) => void;
  readonly #routes = new Map<string, RouteState>();
  readonly #commitWaiters = new Set<() => void>();
  readonly #parts: ProxyParts;
  #applied: AppliedRule[] = [];

  constructor(
    seed: number,
    onDecision: (decision: ProxyDecision) => void,
    parts: Partial<ProxyParts> = {},
  ) {
    this.#random = createRandom(seed).fork('fault-proxy');
    this.#onDecision = onDecision;
    this.#parts = { ...PARTS, ...parts };
  }

  async open(description: Route): Promise<number> {
    const { name, base } = description;
    if (this.#routes.has(name)) throw new Error(`two routes ${name}`);
    const host: RouteHost = {
      createConnection: this.#parts.createConnection,
      onDecision: (kind: string, detail: string) =>
        this.#onDecision({
          kind: 'fault',
          name: kind,
          event: 'decision',
          atUs: monotonicUs(),
          detail: `${name} ${detail}`,
        }),
      isCommitAwaited: () => this.#commitWaiters.size > 0,
      onCommitForwarded: () => {
        for (const resolve of this.#commitWaiters) resolve();
      },
    };
    const latency: LinkRule | null = base && {
      kind: 'latency',
      meanMs: base.roundTripMs,
      jitterMs: base.jitterMs,
    };
    const baseLatency = latency && activateRule(latency, this.#random.fork(`${name}/base`));
    const route = new ProxyRoute(description, baseLatency, host);
    this.#routes.set(name, { route, current: null, count: 0 });
    return await route.listen();
  }

  apply(target: string, names: readonly string[], rule: LinkRule): void {
    const routes = new Set(names.map((name) => this.#routeState(name).route));
    activateRule(rule, this.#random); // Throws before anything has changed.
    this.#applied = this.#applied.filter((one) => one.target !== target);
    this.#applied.push({ target, routes, rule, active: new Map() });
    for (const state of this.#routes.values()) this.#refresh(state);
  }

  /** Idempotent. */
  clear(target: string): void {
    this.#applied = this.#applied.filter((one) => one.target !== target);
    for (const state of this.#routes.values()) this.#refresh(state);
  }

  retarget(names: readonly string[], upstream: Upstream): void {
    const found = names.map((name) => this.#routeState(name));
    for (const { route } of found) route.retarget(upstream);
  }

  bytesForwarded(names: readonly string[]): number[] {
    return names.map((name) => this.#routeState(name).route.bytesForwarded);
  }

  /** Of the rule that was applied last under this target. */
  measure(target: string): RouteTraffic[] {
    const applied = this.#applied.find((one) => one.target === target);
    if (applied === undefined) throw new Error(`no rule is applied to ${target}`);
    return [...applied.active].map(([route, { traffic }]) =>
      traffic.summary(route.description.name),
    );
  }

  async waitForCommit(timeoutMs: number): Promise<void> {
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

  #routeState(name: string): RouteState {
    const found = this.#routes.get(name);
    if (found === undefined) throw new Error(`the fault proxy has no route ${name}`);
    return found;
  }

  #refresh(state: RouteState): void {
    const { route } = state;
    const next = this.#applied.findLast(({ routes }) => routes.has(route)) ?? null;
    if (next === state.current) return;
    state.current = next;
    if (next !== null && !next.active.has(route)) {
      state.count += 1;
      const label = `${route.description.name}/${next.rule.kind}/${state.count}`;
      const rule = this.#parts.activate(next.rule, this.#random.fork(label));
      next.active.set(route, { rule, traffic: new RuleTraffic() });
    }
    route.setRule(next?.active.get(route) ?? null);
  }
}
