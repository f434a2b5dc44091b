/**
 * Finds the targets of faults in a running testbed. The operator's servers (DATABASE_URL, REDIS_URL) are never a
 * target.
 */
import { EnvironmentError } from '../../errors.ts';
import { resolveNodeTarget } from '../../plan/fault-target.ts';
import type { Topology } from '../../topology.ts';
import type { Edges } from '../testbed/edges.ts';
import type { RunningNode } from '../testbed/node.ts';
import type { FaultTargets } from './fault.ts';

const SERVER_VARIABLES: Readonly<Record<string, string>> = {
  redis: 'REDIS_URL',
  postgres: 'DATABASE_URL',
};

export function createFaultTargets(
  topology: Topology,
  nodes: ReadonlyMap<string, RunningNode>,
  edges: Edges,
): FaultTargets {
  const node = (name: string): RunningNode => {
    const found = nodes.get(resolveNodeTarget(name, topology).node);
    if (found === undefined) throw new Error(`node ${name} is not up`);
    return found;
  };
  return {
    node,
    edges,
    members(target) {
      const { node: name, member } = resolveNodeTarget(target, topology);
      const { kind, members } = node(name);
      if (members.length === 0)
        throw externalServerError(name, SERVER_VARIABLES[kind] ?? 'the environment');
      const found = members.filter((candidate) => member === null || candidate.name === member);
      if (found.length > 0) return found;
      const known = members.map((candidate) => candidate.name).join(', ');
      throw new Error(`there is no process ${target}; known: ${known}`);
    },
  };
}

function externalServerError(name: string, variable: string): Error {
  return new EnvironmentError({
    what: `this scenario ends and restarts ${name}, but ${variable} names a server of its own`,
    why: 'only servers that the run started itself are killed',
    next: `unset ${variable}, then run it again`,
  });
}
