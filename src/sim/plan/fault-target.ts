/**
 * Parses the target of a fault and checks it against a topology:
 *
 *   redis                  a node, with all its processes
 *   gateway.2              one process of a node
 *   gateway->redis         an edge, from every process of gateway
 *   gateway.2->redis       from one process
 *   client->gateway        from the load generator to every process
 *   client->gateway.2      to one process
 *
 * A node's own name may hold dots (`eu.postgres`).
 */
import { suggestion } from '../suggestion.ts';
import { CLIENT, type EdgeSpec, type NodeSpec, type Topology } from '../topology.ts';

export interface NodeTarget {
  readonly node: string;
  readonly spec: NodeSpec;
  /** One process of it, `gateway.2`; null: all. */
  readonly member: string | null;
}

export interface EdgeTarget {
  readonly edge: EdgeSpec;
  /** One process at the edge's source; null: all. */
  readonly source: string | null;
  /** One process at the edge's destination; null: all. */
  readonly destination: string | null;
}

/** The message is one clause: what is unknown, what is known, and a suggestion. */
export class UnknownTarget extends RangeError {}

const isEdgeTarget = (target: string): boolean => target.includes('->');

export const edgeName = ({ from, to }: Pick<EdgeSpec, 'from' | 'to'>): string => `${from}->${to}`;

/** Names of a node's processes, as faults use them; null for a registered kind, whose data does not say. */
export function membersOf(name: string, spec: NodeSpec): readonly string[] | null {
  switch (spec.kind) {
    case 'process':
      return memberNames(name, spec.instances ?? 1);
    case 'redis':
      if (spec.mode === 'cluster') return memberNames(name, 2 * (spec.masters ?? 3));
      return memberNames(name, spec.mode === 'replica' ? 2 : 1);
    case 'postgres':
    case 'receiver':
      return [name];
    default:
      return null;
  }
}

/** A node or one of its processes. Throws UnknownTarget. */
export function resolveNodeTarget(target: string, topology: Topology): NodeTarget {
  if (isEdgeTarget(target)) throw new UnknownTarget(`${target} is an edge, not a node`);
  const place = findNode(target, topology);
  if (place !== null) return place;
  const known = Object.entries(topology.nodes).flatMap(([name, spec]) => [
    ...new Set([name, ...(membersOf(name, spec) ?? [])]),
  ]);
  throw unknownTarget(`there is no node or process ${target}`, target, known);
}

/** Throws UnknownTarget. */
export function resolveEdgeTarget(target: string, topology: Topology): EdgeTarget {
  const known = topology.edges.map(edgeName);
  const [source = '', destination = '', ...more] = target.split('->');
  if (!isEdgeTarget(target) || more.length > 0)
    throw unknownTarget(`${target} is not an edge`, target, known);
  const from = source === CLIENT ? { node: CLIENT, member: null } : findNode(source, topology);
  const to = findNode(destination, topology);
  const edge = topology.edges.find(
    (candidate) => candidate.from === from?.node && candidate.to === to?.node,
  );
  if (edge === undefined) throw unknownTarget(`there is no edge ${target}`, target, known);
  return { edge, source: from!.member, destination: to!.member };
}

/** The message of `resolve`'s UnknownTarget, else what `check` finds. */
export function targetProblems<Found>(
  resolve: () => Found,
  check: (found: Found) => readonly string[] = () => [],
): readonly string[] {
  try {
    return check(resolve());
  } catch (error) {
    if (error instanceof UnknownTarget) return [error.message];
    throw error;
  }
}

function findNode(target: string, { nodes }: Topology): NodeTarget | null {
  if (Object.hasOwn(nodes, target)) return { node: target, spec: nodes[target]!, member: null };
  const node = target.replace(/\.[1-9]\d*$/, '');
  if (!Object.hasOwn(nodes, node)) return null;
  const spec = nodes[node]!;
  const members = membersOf(node, spec);
  return members === null || members.includes(target) ? { node, spec, member: target } : null;
}

function memberNames(name: string, count: number): string[] {
  if (count === 1) return [name];
  return Array.from({ length: count }, (_, index) => `${name}.${index + 1}`);
}

function unknownTarget(what: string, target: string, known: readonly string[]): UnknownTarget {
  const guess = suggestion(target, known);
  const list = known.length === 0 ? 'there are none' : `known: ${known.join(', ')}`;
  return new UnknownTarget(`${what}; ${list}${guess === null ? '' : `; did you mean ${guess}?`}`);
}
