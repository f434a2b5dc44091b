/** Starts a node of kind `redis`: the operator's server, or one server, a pair or a cluster of the run. */
import { availableParallelism } from 'node:os';
import type { WorkCounter } from '../../../pure/measure/costs.ts';
import type { RedisSpec } from '../../../topology.ts';
import { readRedis } from '../../observe/work-counters.ts';
import { parseCoreList } from '../../process/pin-plan.ts';
import type { Address, Member, NodeCapabilities, NodeContext, RunningNode } from '../node.ts';
import { memberOf } from '../nodes/member.ts';
import { newPassword } from './credentials.ts';
import { claimRedis, prefixOf } from './external.ts';
import { PrimaryGroup } from './primary-group.ts';
import { clusterFailover, formCluster, isClusterOkAt } from './redis-cluster.ts';
import { isRedisPrimary, isRedisReplica } from './redis-replication.ts';
import { RedisServer } from './redis-server.ts';
import { noteServerNotUsed } from './server-not-used-note.ts';
import { startAllOrNone } from './start-all-or-none.ts';

export async function startRedisNode(
  name: string,
  members: readonly string[],
  spec: RedisSpec,
  context: NodeContext,
): Promise<RunningNode> {
  const { REDIS_URL: url } = context.env;
  if (url && spec.replaceable === true) return await claimNode(name, spec, url, context);
  noteServerNotUsed('REDIS_URL', name, spec, context);
  const isClustered = spec.mode === 'cluster';
  const settings = spec.settings ?? {};
  const password = newPassword();
  const servers = await startAllOrNone(
    members.map(
      (member) => (signal) =>
        RedisServer.start({ name: member, settings, password, context, signal, isClustered }),
    ),
    context.signal,
  );
  if (isClustered) return await createClusterNode(name, spec, servers, context);
  if (spec.mode === 'replica') return await createPairNode(name, spec, servers, context);
  return createNode(name, spec, servers, context, {});
}

function createNode(
  name: string,
  spec: RedisSpec,
  servers: readonly RedisServer[],
  context: NodeContext,
  options: {
    readonly capabilities?: NodeCapabilities;
    readonly isUp?: (server: RedisServer) => Promise<true | string>;
    /** The server that takes writes; default the first. */
    readonly current?: () => RedisServer;
  },
): RunningNode {
  const { isUp, current } = options;
  const cores = context.cores?.rest ?? null;
  const members = servers.map(
    (server): Member => memberOf(server.process, server.url, isUp && (() => isUp(server))),
  );
  const urls = servers.map(({ url }) => url);
  return {
    name,
    kind: 'redis',
    region: spec.region ?? 'local',
    version: productName(servers[0]!.version),
    members,
    get address(): Address {
      return { url: current?.().url ?? urls[0]!, urls, namespace: prefixOf(context.runId) };
    },
    pids: () => members.flatMap((member) => member.pids()),
    cores: cores ?? 'any',
    coreCount: cores === null ? availableParallelism() : parseCoreList(cores).length,
    capabilities: options.capabilities ?? {},
    readWork: () => readWorkCounters(urls),
  };
}

async function createPairNode(
  name: string,
  spec: RedisSpec,
  servers: readonly RedisServer[],
  context: NodeContext,
): Promise<RunningNode> {
  const [primary, replica] = servers as [RedisServer, RedisServer];
  const group = new PrimaryGroup<RedisServer>(primary, {
    isPrimary: isRedisPrimary,
    isFollowing: isRedisReplica,
    promote: (successor) => successor.promote(),
    follow: (server, newPrimary) => server.follow(newPrimary),
    isStale: () => false,
    redirectEdges: ({ url }) => context.retarget(name, url),
  });
  await replica.replicate(primary);
  await group.join(replica, context.signal);
  return createNode(name, spec, servers, context, {
    capabilities: { failover: group.failover },
    isUp: (server) => group.isInRole(server),
    current: () => group.current,
  });
}

async function createClusterNode(
  name: string,
  spec: RedisSpec,
  servers: readonly RedisServer[],
  context: NodeContext,
): Promise<RunningNode> {
  await formCluster(servers, context.signal);
  const capabilities = { failover: clusterFailover(servers) };
  return createNode(name, spec, servers, context, { capabilities, isUp: isClusterOkAt });
}

async function claimNode(
  name: string,
  spec: RedisSpec,
  address: string,
  context: NodeContext,
): Promise<RunningNode> {
  const { url, prefix, version, drop } = await claimRedis(address, context.lease);
  context.undo.add('the keys in REDIS_URL', drop);
  const settings = Object.keys(spec.settings ?? {});
  if (settings.length > 0) {
    context.onNote(`REDIS_URL keeps its own settings of ${settings.join(', ')}`);
  }
  return {
    name,
    kind: 'redis',
    region: spec.region ?? 'local',
    version: productName(version),
    members: [],
    address: { url, urls: [url], namespace: prefix },
    pids: null,
    cores: 'any',
    coreCount: availableParallelism(),
    capabilities: {},
    readWork: () => readWorkCounters([url]),
  };
}

/** Null when one of the servers cannot be read: the sum would be too small. */
async function readWorkCounters(urls: readonly string[]): Promise<WorkCounter[]> {
  const value = await Promise.all(urls.map(readRedis)).then(
    (counts) => counts.reduce((sum, count) => sum + count, 0),
    () => null,
  );
  return [{ id: 'redisCommands', label: 'Redis commands', unit: 'count', value }];
}

/** `Redis 7.0.15`, `Valkey 8.1.1` */
const productName = (version: string): string =>
  version.replace(/^[a-z]/, (first) => first.toUpperCase());
