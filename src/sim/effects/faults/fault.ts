/**
 * A fault is applied to the system under test and undone; a probe proves the undo. The nemesis calls `undo` on every
 * path: it is idempotent, and safe when `apply` never ran or failed half way.
 */
import type { FaultEvidence } from '../../history.ts';
import type { Topology } from '../../topology.ts';
import type { Edges } from '../testbed/edges.ts';
import type { Member, RunningNode } from '../testbed/node.ts';
import type { ProxyDecision } from './proxy/protocol.ts';

export interface Fault {
  /** Resolves when the effect was observed, with a description of what was hit. */
  apply(): Promise<string>;
  /**
   * What must be seen while it holds, read just before the undo: measured by something else than what applied it, so
   * that a fault without effect is told from one that had it. Bounded.
   */
  measure?(): Promise<readonly FaultEvidence[]>;
  undo(): Promise<void>;
  /** True when the undo is proven, else why it is not. Bounded. */
  probe(): Promise<true | string>;
  /** What the fault proxy decided from its seed under this fault so far. */
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
  /**
   * `kill -9 of gateway.2`. Specs that differ only in their targets are described as one: `kill -9 of gateway.1 or
   * gateway.2`.
   */
  describe(specs: readonly [Spec, ...Spec[]]): string;
  /** The reasons why it cannot be applied in this topology, one clause each; needs no running testbed. */
  problems(spec: Spec, topology: Topology): readonly string[];
  /** Throws when the testbed does not have the target. */
  create(spec: Spec, targets: FaultTargets): Fault;
}

/** The targets of one or several specs: `gateway.1 or gateway.2`. */
export function describeTargets(specs: readonly { readonly target: string }[]): string {
  return [...new Set(specs.map(({ target }) => target))].sort().join(' or ');
}
