/** Redis: one server, a primary with a replica, or a cluster, of the run; or the operator's server. */
import type { NodeSpec, RedisSpec, Topology } from '../../../topology.ts';
import type { NodeKind } from '../node.ts';
import { settingProblems } from './settings.ts';

const RESERVED_SETTINGS =
  /^(port|bind|tls-.*|unixsocket.*|dir|include|daemonize|supervised|pidfile|logfile|protected-mode|requirepass|masterauth|masteruser|user|aclfile|rename-command|replicaof|slaveof|cluster-(enabled|port|config-file|announce-.*))$/i;
const MIN_MASTERS = 3;
/** Above it a test machine runs out of memory and ports. */
const MAX_MASTERS = 20;

const isReplaceable = (spec: NodeSpec): boolean =>
  spec.kind === 'redis' && spec.replaceable === true;

function* problemsOf(name: string, spec: RedisSpec, topology: Topology): Generator<string> {
  const { mode = 'single', masters, settings, replaceable } = spec;
  yield* settingProblems(name, settings, RESERVED_SETTINGS);
  if (masters !== undefined) {
    if (mode !== 'cluster') yield `${name} says how many masters it has, but is not a cluster`;
    else if (!Number.isInteger(masters) || masters < MIN_MASTERS || masters > MAX_MASTERS)
      yield `${name} has ${masters} masters, but a cluster has ${MIN_MASTERS} to ${MAX_MASTERS}`;
  }
  if (replaceable === true) {
    if (mode !== 'single')
      yield `${name} is a ${mode === 'cluster' ? 'cluster' : 'pair'} and cannot be replaced by REDIS_URL`;
    const first = Object.entries(topology.nodes).find(([, one]) => isReplaceable(one))?.[0];
    if (first !== undefined && first !== name)
      yield `${name} and ${first} are both replaceable by REDIS_URL`;
  }
}

function membersOf(name: string, { mode, masters = MIN_MASTERS }: RedisSpec): string[] {
  const count = mode === 'cluster' ? masters * 2 : mode === 'replica' ? 2 : 1;
  if (count === 1) return [name];
  return Array.from({ length: count }, (_, index) => `${name}.${index + 1}`);
}

export const redisKind: NodeKind<RedisSpec> = {
  kind: 'redis',
  problems: (name, spec, topology) => [...problemsOf(name, spec, topology)],
  members: membersOf,
  describe(_name, { mode, masters = MIN_MASTERS }) {
    if (mode === 'cluster') return `Redis Cluster, ${masters} masters with one replica each`;
    return mode === 'replica' ? 'Redis, a primary and a replica' : 'Redis';
  },
  async start(name, spec, context) {
    const { startRedisNode } = await import('../stores/redis-node.ts');
    return await startRedisNode(name, membersOf(name, spec), spec, context);
  },
};
