/** What faults act on, of a testbed that is up. Servers that DATABASE_URL and REDIS_URL name are not ours to touch. */
import { EnvironmentError } from '../../errors.ts';
import { resolvePlace } from '../../fault-target.ts';
import type { Topology } from '../../topology.ts';
import type { Edges } from '../testbed/edges.ts';
import type { RunningNode } from '../testbed/node.ts';
import type { FaultTargets } from './fault.ts';

const VARIABLES: Readonly<Record<string, string>> = {
  redis: 'REDIS_URL',
  postgres: 'DATABASE_URL',
};

export function createFaultTargets(
  topology: Topology,
  nodes: ReadonlyMap<string, RunningNode>,
  edges: Edges,
): FaultTargets {
  const node = (name: string): RunningNode => {
    const found = nodes.get(resolvePlace(name, topology).node);
    if (found === undefined) throw new Error(`node ${name} is not up`);
    return found;
  };
  return {
    node,
    edges,
    members(target) {
      const { node: name, member } = resolvePlace(target, topology);
      const { kind, members } = node(name);
      if (members.length === 0) throw operatorsOwn(name, VARIABLES[kind] ?? 'the environment');
      const found = members.filter((one) => member === null || one.name === member);
      if (found.length > 0) return found;
      const known = members.map((one) => one.name).join(', ');
      throw new Error(`there is no process ${target}; known: ${known}`);
    },
  };
}

function operatorsOwn(name: string, variable: string): Error {
  return new EnvironmentError({
    what: `this scenario ends and restarts ${name}, but ${variable} names a server of its own`,
    why: 'only servers that the run started itself are killed',
    next: `unset ${variable}, then run it again`,
  });
}
