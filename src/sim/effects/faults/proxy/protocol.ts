/** The messages between a run and its fault proxy. Times are microseconds on the machine's monotonic clock. */
import type { FaultRecord } from '../../../history.ts';
import type { Protocol } from './frames.ts';
import type { LinkRule } from './rule.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Added to every round trip under any rule; each direction takes half. */
export interface BaseLatency {
  readonly roundTripMs: number;
  readonly jitterMs: number;
}

/** One listening port of the proxy and the server behind it. */
export interface Route {
  /** Source and destination, `gateway.2->redis`; the detail of its decisions begins with it. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly upstream: Endpoint;
  readonly base: BaseLatency | null;
}

/** `atUs` is on the machine's monotonic clock; subtract the arm's origin for the history. */
export type ProxyDecision = FaultRecord & { readonly event: 'decision' };

/** `target` identifies a rule until it is cleared; `routes` are the names of the routes it acts on. */
export type ProxyRequest =
  | { readonly type: 'init'; readonly seed: number }
  | { readonly type: 'open'; readonly route: Route }
  | {
      readonly type: 'apply';
      readonly target: string;
      readonly routes: readonly string[];
      readonly rule: LinkRule;
    }
  | { readonly type: 'clear'; readonly target: string }
  | { readonly type: 'retarget'; readonly routes: readonly string[]; readonly upstream: Endpoint }
  | { readonly type: 'count-bytes'; readonly routes: readonly string[] }
  | { readonly type: 'await-commit'; readonly timeoutMs: number };

export type ToProxy = ProxyRequest & { readonly id: number };

/** `open`: the port. `count-bytes`: bytes, in the order of the routes. Nothing for the others. */
export type ProxyResult = number | readonly number[] | undefined;

export type FromProxy =
  | { readonly type: 'done'; readonly id: number; readonly result?: ProxyResult }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  | { readonly type: 'decision'; readonly decision: ProxyDecision }
  | { readonly type: 'fatal'; readonly message: string };
