/** Problems of a topology's edges, one clause each. Pure. */

import { CLIENT, type EdgeSpec, type Topology } from '../topology.ts';
import { edgeName } from './fault-target.ts';

export function edgeProblems(topology: Topology): string[] {
  const seen = new Set<string>();
  return topology.edges.flatMap((edge) => {
    const name = edgeName(edge);
    const isDuplicate = seen.has(name);
    seen.add(name);
    return [
      ...(isDuplicate ? [`two edges ${name}: a process finds a node under one name`] : []),
      ...endpointProblems(edge, topology),
      ...latencyProblems(edge, topology),
      ...loginProblems(edge, topology),
    ];
  });
}

function endpointProblems(edge: EdgeSpec, { nodes }: Topology): string[] {
  const known = Object.keys(nodes).join(', ');
  const name = edgeName(edge);
  const missing = [edge.from, edge.to].filter((one) => !Object.hasOwn(nodes, one));
  const target = nodes[edge.to];
  return [
    ...missing
      .filter((one) => one !== CLIENT || one === edge.to)
      .map((one) => `edge ${name}: there is no node ${one}; known: ${known}`),
    ...(edge.from === edge.to ? [`edge ${name} leads from a node to itself`] : []),
    ...(edge.proxied === true && target?.kind === 'redis' && target.mode === 'cluster'
      ? [
          `edge ${name} cannot go through the proxy: a Redis Cluster tells its clients its own addresses`,
        ]
      : []),
  ];
}

const ROLE_NAME = /^(?!pg_|postgres$|platform_owner$)[a-z_][a-z0-9_]{0,62}$/;

function loginProblems(edge: EdgeSpec, { nodes }: Topology): string[] {
  const { logins = [] } = edge;
  if (logins.length === 0) return [];
  const name = edgeName(edge);
  return [
    ...(nodes[edge.to]?.kind === 'postgres'
      ? []
      : [`edge ${name} has logins, which only a postgres has`]),
    ...logins
      .filter((role) => !ROLE_NAME.test(role))
      .map((role) => `edge ${name}: "${role}" is no name for a role of a process`),
  ];
}

function latencyProblems(edge: EdgeSpec, { nodes }: Topology): string[] {
  const { roundTripMs, jitterMs = 0 } = edge;
  const name = edgeName(edge);
  // The load generator counts as in the region of its target.
  const from = edge.from === CLIENT ? edge.to : edge.from;
  const [sourceRegion, target] = [from, edge.to].map((one) => nodes[one]?.region ?? 'local');
  const isValid = (ms: number) => Number.isFinite(ms) && ms >= 0;
  return [
    ...(sourceRegion !== target && roundTripMs === undefined
      ? [`edge ${name} leads from region ${sourceRegion} to ${target} and has no roundTripMs`]
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
