/** The proxied links of a testbed, as faults see them. Links a scenario does not declare are direct and absent. */
import type { LinkName, LinkRule } from '../../scenario.ts';
import type { ProxyDecision } from '../faults/proxy-protocol.ts';

export interface Links {
  /** Throws unless this link is proxied; `instance` null means every process of the service. */
  assertKnown(link: LinkName, instance: string | null): void;
  apply(link: LinkName, instance: string | null, rule: LinkRule): Promise<void>;
  clear(link: LinkName, instance: string | null): Promise<void>;
  /** True when a round trip passes on every route it is about, else which one does not. */
  probe(link: LinkName, instance: string | null): Promise<true | string>;
  /** Resolves while a COMMIT is with the server and its reply is not yet back; rejects after `limitMs`. */
  commitInFlight(limitMs: number): Promise<void>;
  /** What the proxy has chosen so far, in order; times on the machine's monotonic clock. */
  decisions(): readonly ProxyDecision[];
}
