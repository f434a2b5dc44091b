/** Checks the target of a fault that only some nodes support. Nodes of registered kinds (`x-...`) are checked when the fault is created. */
import { resolveNodeTarget, targetProblems } from '../../plan/fault-target.ts';
import type { NodeSpec, Topology } from '../../topology.ts';

export interface Requirement {
  /** What the node must have: `a standby or a replica`. */
  readonly needs: string;
  isCapable(spec: NodeSpec, name: string): boolean;
}

export function capableNodeProblems(
  target: string,
  topology: Topology,
  { needs, isCapable }: Requirement,
): readonly string[] {
  const capable = Object.entries(topology.nodes)
    .filter(([name, spec]) => spec.kind.startsWith('x-') || isCapable(spec, name))
    .map(([name]) => name);
  const capableText = capable.length === 0 ? 'no node has' : `these have: ${capable.join(', ')}`;
  return targetProblems(
    () => resolveNodeTarget(target, topology),
    ({ node, member }) => {
      if (!capable.includes(node)) return [`${node} does not have ${needs}; ${capableText}`];
      return member === null || member === node
        ? []
        : [`${member} is one process; this fault acts on the whole of ${node}`];
    },
  );
}
