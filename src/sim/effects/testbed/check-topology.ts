/** What is wrong with a topology, from the data alone, before anything starts: one clause each, naming the place. */
import { CLIENT, type EdgeSpec, type NodeSpec, type Topology } from '../../topology.ts';
import { NODE_KINDS } from './node-kinds.ts';

const NODE_NAME = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$/;
/** Names the harness gives to processes of its own in the report. */
const RESERVED = [CLIENT, 'sender', 'proxy'];
export const LOCAL_REGION = 'local';

export const regionOf = ({ region }: NodeSpec): string => region ?? LOCAL_REGION;

export function topologyProblems(topology: Topology): string[] {
  const names = Object.keys(topology.nodes);
  const own = Object.entries(topology.nodes).flatMap(([name, spec]) =>
    nodeProblems(name, spec, topology),
  );
  if (own.length > 0) return own;
  return [
    ...topology.edges.flatMap((edge) => edgeProblems(edge, topology)),
    ...doubled(topology.edges.map(({ from, to }) => `edge ${from}->${to}`)),
    ...doubled(
      topology.edges
        .filter(({ from }) => from !== CLIENT)
        .map(({ from, as }) => `address "${as}" of ${from}`),
    ),
    ...topology.jobs.flatMap(({ name, uses }) =>
      Object.values(uses)
        .filter((node) => !names.includes(node))
        .map((node) => `job ${name} uses "${node}", which is no node (${listed(names)})`),
    ),
    ...doubled(topology.jobs.map(({ role }) => `job that makes ${role}`)),
    ...cycleProblems(topology),
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

function edgeProblems(edge: EdgeSpec, { nodes }: Topology): string[] {
  const { from, to, as, roundTripMs, jitterMs } = edge;
  const names = Object.keys(nodes);
  const where = `edge ${from}->${to}`;
  const far = nodes[to];
  const near = nodes[from];
  if (far === undefined) return [`${where}: "${to}" is no node (${listed(names)})`];
  if (from !== CLIENT && near === undefined)
    return [`${where}: "${from}" is no node (${listed([...names, CLIENT])})`];
  const problems: string[] = [];
  if (near !== undefined && near.kind !== 'process' && !near.kind.startsWith('x-'))
    problems.push(`${where}: ${from} is a ${near.kind}, and only processes reach others`);
  if (from === to) problems.push(`${where}: it leads back to where it begins`);
  if (from !== CLIENT && !as)
    problems.push(`${where}: "as" names the address for ${from}, and is missing`);
  for (const [key, value] of Object.entries({ roundTripMs, jitterMs }))
    if (value !== undefined && !(value >= 0 && value <= 60_000))
      problems.push(`${where}: ${key} is ${value}, not 0 to 60,000`);
  if (near !== undefined && regionOf(near) !== regionOf(far) && roundTripMs === undefined)
    problems.push(
      `${where}: it leads from region ${regionOf(near)} to ${regionOf(far)} and needs roundTripMs`,
    );
  return problems;
}

/** A process gets its addresses when it starts, so what it reaches starts before it. */
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

function doubled(labels: readonly string[]): string[] {
  const twice = labels.filter((label, index) => labels.indexOf(label) !== index);
  return [...new Set(twice)].map((label) => `there are two of ${label}`);
}

function listed(names: readonly string[]): string {
  return names.join(', ') || 'there are none';
}
