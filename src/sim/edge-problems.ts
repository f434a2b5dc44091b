/** What is wrong with the edges of a topology, one clause each, from the data alone. */
import { edgeName } from './fault-target.ts';
import { CLIENT, type EdgeSpec, type Topology } from './topology.ts';

export function edgeProblems(topology: Topology): string[] {
  const seen = new Set<string>();
  return topology.edges.flatMap((edge) => {
    const name = edgeName(edge);
    const isTwice = seen.has(name);
    seen.add(name);
    return [
      ...(isTwice ? [`two edges ${name}: a process finds a node under one name`] : []),
      ...endProblems(edge, topology),
      ...latencyProblems(edge, topology),
    ];
  });
}

function endProblems(edge: EdgeSpec, { nodes }: Topology): string[] {
  const known = Object.keys(nodes).join(', ');
  const name = edgeName(edge);
  const missing = [edge.from, edge.to].filter((one) => !Object.hasOwn(nodes, one));
  const far = nodes[edge.to];
  return [
    ...missing
      .filter((one) => one !== CLIENT || one === edge.to)
      .map((one) => `edge ${name}: there is no node ${one}; known: ${known}`),
    ...(edge.from === edge.to ? [`edge ${name} leads from a node to itself`] : []),
    ...(edge.proxied === true && far?.kind === 'redis' && far.mode === 'cluster'
      ? [
          `edge ${name} cannot go through the proxy: a Redis Cluster tells its clients its own addresses`,
        ]
      : []),
  ];
}

function latencyProblems(edge: EdgeSpec, { nodes }: Topology): string[] {
  const { roundTripMs, jitterMs = 0 } = edge;
  const name = edgeName(edge);
  // The load generator is wherever the node it talks to is.
  const from = edge.from === CLIENT ? edge.to : edge.from;
  const [near, far] = [from, edge.to].map((one) => nodes[one]?.region ?? 'local');
  const isValid = (ms: number) => Number.isFinite(ms) && ms >= 0;
  return [
    ...(near !== far && roundTripMs === undefined
      ? [`edge ${name} leads from region ${near} to ${far} and has no roundTripMs`]
      : []),
    ...((roundTripMs !== undefined || jitterMs !== 0) && edge.proxied !== true
      ? [`edge ${name} has a latency, which only the proxy can add: it needs proxied`]
      : []),
    ...(isValid(roundTripMs ?? 0) && isValid(jitterMs)
      ? []
      : [`edge ${name}: roundTripMs and jitterMs are at least 0`]),
    ...(jitterMs > (roundTripMs ?? 0)
      ? [`edge ${name}: jitterMs is more than the roundTripMs it varies`]
      : []),
  ];
}
