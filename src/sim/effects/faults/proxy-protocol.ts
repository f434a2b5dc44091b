/** The words between a run and its fault proxy. Times are microseconds on the machine's monotonic clock. */

import type { LinkName, LinkRule } from '../../fault-plan.ts';
import type { FaultRecord } from '../../history.ts';
import type { Protocol } from './frames.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** One listening port of the proxy and the server behind it. */
export interface Route {
  readonly name: string;
  readonly link: LinkName;
  /** The process of the service at the link's other end, `gateway.2`. */
  readonly instance: string;
  readonly protocol: Protocol;
  readonly upstream: Address;
}

/** Which routes a rule is for; null: all instances. */
export interface RouteFilter {
  readonly link: LinkName;
  readonly instance: string | null;
}

/** `atUs` is on the machine's monotonic clock; subtract the arm's origin for the history. */
export type ProxyDecision = FaultRecord & { readonly event: 'decision' };

export type ProxyRequest =
  | { readonly type: 'init'; readonly seed: number }
  | { readonly type: 'open'; readonly route: Route }
  | { readonly type: 'apply'; readonly filter: RouteFilter; readonly rule: LinkRule }
  | { readonly type: 'clear'; readonly filter: RouteFilter }
  | { readonly type: 'await-commit'; readonly timeoutMs: number };

export type ToProxy = ProxyRequest & { readonly id: number };

export type FromProxy =
  /** `port` answers `open`. */
  | { readonly type: 'done'; readonly id: number; readonly port?: number }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  | { readonly type: 'decision'; readonly decision: ProxyDecision }
  | { readonly type: 'fatal'; readonly message: string };
