/**
 * Checks the target of a fault that only some nodes support. Nodes of registered kinds (`x-...`) pass: they are checked
 * when the fault is created.
 */
import { resolveNodeTarget, targetProblems } from '../../plan/fault-target.ts';
import type { NodeSpec, Topology } from '../../topology.ts';

export interface Requirement {
  /** What the node must have, for the message: `a standby or a replica`. */
  readonly needs: string;
  isCapable(spec: NodeSpec, name: string): boolean;
}

export function capableNodeProblems(
  target: string,
  topology: Topology,
  { needs, isCapable }: Requirement,
): readonly string[] {
  const capableNodes = Object.entries(topology.nodes)
    .filter(([name, spec]) => spec.kind.startsWith('x-') || isCapable(spec, name))
    .map(([name]) => name);
  const capableText =
    capableNodes.length === 0 ? 'no node has' : `these have: ${capableNodes.join(', ')}`;
  return targetProblems(
    () => resolveNodeTarget(target, topology),
    ({ node, member }) => {
      if (!capableNodes.includes(node)) return [`${node} does not have ${needs}; ${capableText}`];
      return member === null || member === node
        ? []
        : [`${member} is one process; this fault acts on the whole of ${node}`];
    },
  );
}
