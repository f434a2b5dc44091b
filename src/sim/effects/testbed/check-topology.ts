/**
 * Validates the data of a topology before anything starts. Each problem is one clause that names the node, edge or job.
 */
import { edgeProblems } from '../../plan/edge-problems.ts';
import { CLIENT, type EdgeSpec, type NodeSpec, type Topology } from '../../topology.ts';
import { NODE_KINDS } from './node-kinds.ts';

const NODE_NAME = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$/;
/** Names that the harness uses in the report for its own processes. */
const RESERVED_NAMES = [CLIENT, 'sender', 'proxy'];

/** Empty for a valid topology. Edges and jobs are checked only if every node is valid. */
export function topologyProblems(topology: Topology): string[] {
  // A scenario that is loaded from a file was not type-checked.
  if (!topology?.nodes || !topology.edges || !topology.jobs)
    return ['it has none: nodes, edges, jobs'];
  const names = Object.keys(topology.nodes);
  const problemsOfNodes = Object.entries(topology.nodes).flatMap(([name, spec]) =>
    nodeProblems(name, spec, topology),
  );
  if (problemsOfNodes.length > 0) return problemsOfNodes;
  return [
    ...edgeProblems(topology),
    ...topology.edges.flatMap((edge) => sourceProblems(edge, topology)),
    ...duplicateProblems(
      topology.edges
        .filter(({ from }) => from !== CLIENT)
        .map(({ from, as }) => `address "${as}" of ${from}`),
    ),
    ...topology.jobs.flatMap(({ name, uses }) =>
      Object.values(uses)
        .filter((node) => !names.includes(node))
        .map((node) => `job ${name} uses "${node}", which is no node (${joinNames(names)})`),
    ),
    ...duplicateProblems(topology.jobs.map(({ role }) => `job that makes ${role}`)),
    ...cycleProblems(topology),
    ...(topology.edges.some(({ from }) => from === CLIENT)
      ? []
      : ['no edge leads from the client: the load has nothing to be sent to']),
  ];
}

function nodeProblems(name: string, spec: NodeSpec, topology: Topology): readonly string[] {
  if (!NODE_NAME.test(name))
    return [
      `node "${name}": lower-case letters, digits and hyphens, in parts joined by dots that begin with a letter`,
    ];
  if (RESERVED_NAMES.includes(name)) return [`node "${name}": the name is taken by the harness`];
  try {
    return NODE_KINDS.of(spec.kind).problems(name, spec, topology);
  } catch (error) {
    return [`node ${name}: ${(error as Error).message}`];
  }
}

/** The source must be a process, because only processes are given addresses; `as` is the address's name. */
function sourceProblems({ from, to, as }: EdgeSpec, { nodes }: Topology): string[] {
  const source = nodes[from];
  if (from === CLIENT || source === undefined) return [];
  const edge = `edge ${from}->${to}`;
  return [
    ...(source.kind === 'process' || source.kind.startsWith('x-')
      ? []
      : [`${edge}: ${from} is a ${source.kind}, and only processes reach others`]),
    ...(as ? [] : [`${edge}: "as", the name of the address for ${from}, is missing`]),
  ];
}

/**
 * Dependencies start first, so they must not form a cycle: removes all nodes that can start, until none or a cycle is
 * left.
 */
function cycleProblems(topology: Topology): string[] {
  const remaining = new Set(Object.keys(topology.nodes));
  for (;;) {
    const ready = [...remaining].filter((name) =>
      dependenciesOf(name, topology).every((dependency) => !remaining.has(dependency)),
    );
    if (ready.length === 0) break;
    for (const name of ready) remaining.delete(name);
  }
  return remaining.size === 0
    ? []
    : [`${joinNames([...remaining])} need each other to start: a cycle of edges or of standbyOf`];
}

/**
 * Nodes that must be up before this one starts: the destinations of its edges, whose addresses it gets, and its
 * primary.
 */
export function dependenciesOf(name: string, { nodes, edges }: Topology): string[] {
  const spec = nodes[name];
  const destinations = edges.filter(({ from }) => from === name).map(({ to }) => to);
  const primary =
    spec?.kind === 'postgres' && typeof spec.standbyOf === 'string' ? [spec.standbyOf] : [];
  return [...new Set([...destinations, ...primary])].filter(
    (dependency) => dependency in nodes && dependency !== name,
  );
}

function duplicateProblems(labels: readonly string[]): string[] {
  const duplicates = labels.filter((label, index) => labels.indexOf(label) !== index);
  return [...new Set(duplicates)].map((label) => `there are two of ${label}`);
}

function joinNames(names: readonly string[]): string {
  return names.join(', ') || 'there are none';
}
