/**
 * A fault: something done to the system under test that can be undone, and proven to be. Whoever applies one
 * undoes it on every way out; undo is idempotent and harmless when apply never ran or failed half way.
 */
import type { Topology } from '../../topology.ts';
import type { Edges } from '../testbed/edges.ts';
import type { Member, RunningNode } from '../testbed/node.ts';
import type { ProxyDecision } from './proxy/protocol.ts';

export interface Fault {
  /** Resolves when it has been seen to take effect, with what exactly was hit. */
  apply(): Promise<string>;
  undo(): Promise<void>;
  /** True when the undo is proven, else why it is not. Bounded. */
  probe(): Promise<true | string>;
  /** The seeded choices made under it so far. */
  decisions(): readonly ProxyDecision[];
}

/** What faults act on: the running testbed. */
export interface FaultTargets {
  /** Throws when there is no such node. */
  node(name: string): RunningNode;
  /** The processes of a node, or the one that is named. Throws when there is none, or when they are the operator's own. */
  members(target: string): readonly Member[];
  readonly edges: Edges;
}

export interface FaultKind<Spec extends { readonly kind: string }> {
  readonly kind: Spec['kind'];
  /** What is done to what: `kill -9 of gateway.2`. Of several that differ in their targets only: `kill -9 of gateway.1 or gateway.2`. */
  words(alike: readonly [Spec, ...Spec[]]): string;
  /** Why it cannot be applied in this topology, one clause each, from the data alone; loads no client of a store. */
  problems(spec: Spec, topology: Topology): readonly string[];
  /** Throws at once when the testbed has nothing like the target. */
  create(spec: Spec, targets: FaultTargets): Fault;
}

/** The target of a fault, of several alike: `gateway.1 or gateway.2`. */
export function targetWords(alike: readonly { readonly target: string }[]): string {
  return [...new Set(alike.map(({ target }) => target))].sort().join(' or ');
}
