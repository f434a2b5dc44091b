/**
 * A fault is done to the system under test, undone, and the undo is proven by a probe. The nemesis undoes it on every
 * path; undo is idempotent and safe when apply never ran or failed half way.
 */
import type { Topology } from '../../topology.ts';
import type { Edges } from '../testbed/edges.ts';
import type { Member, RunningNode } from '../testbed/node.ts';
import type { ProxyDecision } from './proxy/protocol.ts';

export interface Fault {
  /** Resolves when the effect was observed, with a description of what was hit. */
  apply(): Promise<string>;
  undo(): Promise<void>;
  /** True when the undo is proven, else why it is not. Bounded. */
  probe(): Promise<true | string>;
  /** Seeded choices made under this fault so far. */
  decisions(): readonly ProxyDecision[];
}

/** What faults act on: the running testbed. */
export interface FaultTargets {
  /** Throws when there is no such node. */
  node(name: string): RunningNode;
  /** The processes of a node, or the named one. Throws when there is none, or when the node is the operator's server. */
  members(target: string): readonly Member[];
  readonly edges: Edges;
}

export interface FaultKind<Spec extends { readonly kind: string }> {
  readonly kind: Spec['kind'];
  /** `kill -9 of gateway.2`; of several specs that differ only in their targets: `kill -9 of gateway.1 or gateway.2`. */
  describe(alike: readonly [Spec, ...Spec[]]): string;
  /** Why it cannot be applied in this topology, one clause each, from the data alone; imports no store client. */
  problems(spec: Spec, topology: Topology): readonly string[];
  /** Throws when the testbed does not have the target. */
  create(spec: Spec, targets: FaultTargets): Fault;
}

/** The targets of one fault or several alike: `gateway.1 or gateway.2`. */
export function describeTargets(alike: readonly { readonly target: string }[]): string {
  return [...new Set(alike.map(({ target }) => target))].sort().join(' or ');
}
