/** Validates a topology from the data alone, before anything starts: one clause for each problem, naming the place. */
import { edgeProblems } from '../../plan/edge-problems.ts';
import { CLIENT, type EdgeSpec, type NodeSpec, type Topology } from '../../topology.ts';
import { NODE_KINDS } from './node-kinds.ts';

const NODE_NAME = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$/;
/** Names that the harness uses in the report for its own processes. */
const RESERVED = [CLIENT, 'sender', 'proxy'];

export function topologyProblems(topology: Topology): string[] {
  // A scenario from a file may lack what its type demands.
  if (!topology?.nodes || !topology.edges || !topology.jobs)
    return ['it has none: nodes, edges, jobs'];
  const names = Object.keys(topology.nodes);
  const own = Object.entries(topology.nodes).flatMap(([name, spec]) =>
    nodeProblems(name, spec, topology),
  );
  if (own.length > 0) return own;
  return [
    ...edgeProblems(topology),
    ...topology.edges.flatMap((edge) => nearEndProblems(edge, topology)),
    ...duplicateProblems(
      topology.edges
        .filter(({ from }) => from !== CLIENT)
        .map(({ from, as }) => `address "${as}" of ${from}`),
    ),
    ...topology.jobs.flatMap(({ name, uses }) =>
      Object.values(uses)
        .filter((node) => !names.includes(node))
        .map((node) => `job ${name} uses "${node}", which is no node (${listed(names)})`),
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
  if (RESERVED.includes(name)) return [`node "${name}": the name is taken by the harness`];
  try {
    return NODE_KINDS.of(spec.kind).problems(name, spec, topology);
  } catch (error) {
    return [`node ${name}: ${(error as Error).message}`];
  }
}

/** Only processes get addresses, each under a unique name. */
function nearEndProblems({ from, to, as }: EdgeSpec, { nodes }: Topology): string[] {
  const near = nodes[from];
  if (from === CLIENT || near === undefined) return [];
  const where = `edge ${from}->${to}`;
  return [
    ...(near.kind === 'process' || near.kind.startsWith('x-')
      ? []
      : [`${where}: ${from} is a ${near.kind}, and only processes reach others`]),
    ...(as ? [] : [`${where}: "as", the name of the address for ${from}, is missing`]),
  ];
}

/** A process gets its addresses when it starts, so its dependencies must start first. */
function cycleProblems(topology: Topology): string[] {
  const remaining = new Set(Object.keys(topology.nodes));
  for (;;) {
    const ready = [...remaining].filter((name) =>
      dependenciesOf(name, topology).every((one) => !remaining.has(one)),
    );
    if (ready.length === 0) break;
    for (const name of ready) remaining.delete(name);
  }
  return remaining.size === 0
    ? []
    : [`${listed([...remaining])} need each other to start: a cycle of edges or of standbyOf`];
}

/** Nodes that must be up before this one starts. */
export function dependenciesOf(name: string, { nodes, edges }: Topology): string[] {
  const spec = nodes[name];
  const reached = edges.filter(({ from }) => from === name).map(({ to }) => to);
  const primary =
    spec?.kind === 'postgres' && typeof spec.standbyOf === 'string' ? [spec.standbyOf] : [];
  return [...new Set([...reached, ...primary])].filter((one) => one in nodes && one !== name);
}

function duplicateProblems(labels: readonly string[]): string[] {
  const twice = labels.filter((label, index) => labels.indexOf(label) !== index);
  return [...new Set(twice)].map((label) => `there are two of ${label}`);
}

function listed(names: readonly string[]): string {
  return names.join(', ') || 'there are none';
}
