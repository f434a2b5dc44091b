/** The messages between a run and its fault proxy. Times are microseconds on the machine's monotonic clock. */
import type { FaultRecord } from '../../../history.ts';
import type { Protocol } from './frames.ts';
import type { LinkRule } from './rule.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A server behind the proxy; `path` is that of a socket. */
export type Upstream = (Endpoint & { readonly tls?: true }) | { readonly path: string };

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
  readonly upstream: Upstream;
  readonly base: BaseLatency | null;
}

/** `atUs` is on the machine's monotonic clock; subtract the arm's origin for the history. */
export type ProxyDecision = FaultRecord & { readonly event: 'decision' };

/** One direction of a route while a rule was in force. */
export interface DirectionTraffic {
  /** All bytes forwarded. */
  readonly bytes: number;
  /** Pieces that were read under the rule and forwarded, and their bytes. */
  readonly pieces: number;
  readonly pieceBytes: number;
  /** How much longer these pieces waited than without the rule. */
  readonly delaySumMs: number;
  readonly leastDelayMs: number | null;
}

/** What a route did while a rule was in force on it. */
export interface RouteTraffic {
  readonly route: string;
  readonly heldMs: number;
  /** Connections that were open when the rule took effect: closed since, and still open. */
  readonly closed: number;
  readonly stillOpen: number;
  /** New connections that were reset, or have no server's side. */
  readonly refused: number;
  readonly toServer: DirectionTraffic;
  readonly toClient: DirectionTraffic;
}

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
  | { readonly type: 'retarget'; readonly routes: readonly string[]; readonly upstream: Upstream }
  | { readonly type: 'count-bytes'; readonly routes: readonly string[] }
  | { readonly type: 'measure'; readonly target: string }
  | { readonly type: 'await-commit'; readonly timeoutMs: number };

export type ToProxy = ProxyRequest & { readonly id: number };

/**
 * `open`: the port. `count-bytes`: bytes, in the order of the routes. `measure`: the traffic of each route of the rule.
 * Nothing for the others.
 */
export type ProxyResult = number | readonly number[] | readonly RouteTraffic[] | undefined;

export type FromProxy =
  | { readonly type: 'done'; readonly id: number; readonly result?: ProxyResult }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  | { readonly type: 'decision'; readonly decision: ProxyDecision }
  | { readonly type: 'fatal'; readonly message: string };
