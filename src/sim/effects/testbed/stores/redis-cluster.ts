/**
 * Forms a Redis Cluster with CLUSTER commands, without redis-cli: the first half of the servers are masters with equal
 * ranges of slots, each server of the second half replicates one of them.
 */
import type { Redis } from 'ioredis';
import type { Failover } from '../node.ts';
import { connectRedis, withRedis } from './redis-client.ts';
import { infoFields } from './redis-process.ts';
import type { RedisServer } from './redis-server.ts';
import { waitUntil } from './wait-until.ts';

const SLOTS = 16_384;
const COMMAND_LIMIT_MS = 2_000;
const FORM_LIMIT_MS = 20_000;
/** For the node timeout, an election and, on a busy machine, a second election. */
const FAILOVER_LIMIT_MS = 30_000;

interface ClusterNode {
  readonly id: string;
  readonly port: number;
  readonly flags: readonly string[];
  readonly masterId: string | null;
  readonly hasSlots: boolean;
}

/** Reads CLUSTER NODES: `<id> <ip:port@bus,host> <flags> <master> <ping> <pong> <epoch> <link> <slots...>`. */
export function readClusterNodes(text: string): ClusterNode[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [id, address, flags, master, , , , , ...slots] = line.trim().split(' ');
      return {
        id: id!,
        port: Number(/:(\d+)@/.exec(address!)?.[1]),
        flags: flags!.split(','),
        masterId: master === '-' ? null : master!,
        hasSlots: slots.some((slot) => !slot.startsWith('[')),
      };
    });
}

const nodesOf = async (redis: Redis): Promise<ClusterNode[]> =>
  readClusterNodes(String(await redis.call('CLUSTER', 'NODES')));

/** Joins new servers; resolves when every server reports the cluster as ok and every replica is in sync. */
export async function formCluster(
  servers: readonly RedisServer[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const clients: Redis[] = [];
  try {
    for (const { url } of servers) clients.push(await connectRedis(url, COMMAND_LIMIT_MS));
    const masters = servers.length / 2;
    const ids = await Promise.all(clients.map((redis) => redis.call('CLUSTER', 'MYID')));
    await Promise.all(
      clients.map(async (redis, index) => {
        await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
        if (index < masters) await redis.call('CLUSTER', 'ADDSLOTS', ...slotsOf(index, masters));
        // Each server meets all servers of lower index; gossip alone would take longer.
        for (const { port } of servers.slice(0, index)) {
          await redis.call('CLUSTER', 'MEET', '127.0.0.1', port);
        }
      }),
    );
    const limits = { limitMs: FORM_LIMIT_MS, signal };
    await Promise.all(
      clients.slice(masters).map((redis, index) => {
        const replicate = async (): Promise<true> => {
          await redis.call('CLUSTER', 'REPLICATE', String(ids[index]));
          return true;
        };
        // The command fails until the replica has met its master.
        return waitUntil('a replica of the Redis cluster knows its master', replicate, limits);
      }),
    );
    const checkComplete = () => checkCluster(servers, (index, work) => work(clients[index]!));
    await waitUntil('the Redis cluster is complete', checkComplete, limits);
  } finally {
    for (const redis of clients) redis.disconnect();
  }
}

function slotsOf(index: number, masters: number): number[] {
  const from = Math.floor((index * SLOTS) / masters);
  const to = Math.floor(((index + 1) * SLOTS) / masters);
  return Array.from({ length: to - from }, (_, slot) => from + slot);
}

/** Runs `work` on a connection to the server of this index. */
type Query = <T>(index: number, work: (redis: Redis) => Promise<T>) => Promise<T>;

/** True when every server is up and reports the cluster as ok, and half of them are replicas in sync. */
async function checkCluster(servers: readonly RedisServer[], query: Query): Promise<true | string> {
  const answers = await Promise.all(
    servers.map((server, index) =>
      query(index, (redis) => checkNode(redis, server, servers.length)),
    ),
  );
  return answers.find((answer) => answer !== true) ?? true;
}

async function checkNode(
  redis: Redis,
  { name }: RedisServer,
  nodeCount: number,
): Promise<true | string> {
  const isOk = await isClusterOk(redis, name);
  if (isOk !== true) return isOk;
  const nodes = await nodesOf(redis);
  const failed = nodes.find(({ flags }) =>
    flags.some((flag) => /^(fail|handshake|noaddr)/.test(flag)),
  );
  if (nodes.length !== nodeCount) return `${name} knows ${nodes.length} of ${nodeCount} nodes`;
  if (failed !== undefined)
    return `${name} sees the node on port ${failed.port} as ${failed.flags}`;
  const replicas = nodes.filter(({ flags }) => flags.includes('slave'));
  return replicas.length === nodeCount / 2 || `${name} sees ${replicas.length} replicas`;
}

/** As this server reports it; a replica must also be in sync. */
async function isClusterOk(redis: Redis, name: string): Promise<true | string> {
  const [cluster, replication] = await Promise.all([
    redis.call('CLUSTER', 'INFO').then(String),
    redis.info('replication'),
  ]);
  const state = infoFields(cluster)('cluster_state');
  if (state !== 'ok') return `${name} says that the cluster's state is ${state}`;
  const field = infoFields(replication);
  const isInSync = field('role') === 'master' || field('master_link_status') === 'up';
  return isInSync || `${name} has no link to its master`;
}

export const isClusterOkAt = ({ url, name }: RedisServer): Promise<true | string> =>
  withRedis(url, COMMAND_LIMIT_MS, (redis) => isClusterOk(redis, name));

const isDown = ({ process }: RedisServer): boolean => process.pids().length === 0;

/** Kills a master and waits until the cluster has promoted its replica. */
export function clusterFailover(servers: readonly RedisServer[]): Failover {
  const query: Query = (index, work) => withRedis(servers[index]!.url, COMMAND_LIMIT_MS, work);
  const checkComplete = () => checkCluster(servers, query);
  const nodesAt = ({ url }: RedisServer) => withRedis(url, COMMAND_LIMIT_MS, nodesOf);
  const waitFor = (what: string, check: () => Promise<true | string>) =>
    waitUntil(what, check, { limitMs: FAILOVER_LIMIT_MS });
  return {
    async apply() {
      const { master, replica } = await findFailoverPair(servers, nodesAt);
      const { pid } = master.process;
      const startedAt = performance.now();
      await master.process.signal('SIGKILL');
      const running = servers.filter((server) => !isDown(server));
      const hasTakenOver = async (): Promise<true | string> => {
        for (const server of running) {
          const node = (await nodesAt(server)).find(({ port }) => port === replica.port);
          const isMaster = node?.flags.includes('master') && node.hasSlots;
          if (!isMaster) return `${server.name} does not see ${replica.name} as master`;
          const isOk = await isClusterOkAt(server);
          if (isOk !== true) return isOk;
        }
        return true;
      };
      await waitFor(`${replica.name} takes over from ${master.name}`, hasTakenOver);
      const tookMs = Math.round(performance.now() - startedAt);
      return `SIGKILL to ${master.name}, process ${pid}; ${replica.name} took over its slots after ${tookMs} ms`;
    },
    async undo() {
      await Promise.all(servers.filter(isDown).map(({ process }) => process.restart()));
      await waitFor('the Redis cluster is complete', checkComplete);
    },
    probe: () => checkComplete().catch((error: Error) => error.message),
  };
}

/** The first master that has a replica that is up. */
async function findFailoverPair(
  servers: readonly RedisServer[],
  nodesAt: (server: RedisServer) => Promise<ClusterNode[]>,
): Promise<{ master: RedisServer; replica: RedisServer }> {
  const running = servers.filter((server) => !isDown(server));
  if (running[0] === undefined) throw new Error('no node of the Redis cluster is up');
  const nodes = await nodesAt(running[0]);
  const nodeOf = (server: RedisServer) => nodes.find(({ port }) => port === server.port);
  for (const master of running) {
    const node = nodeOf(master);
    if (!node?.flags.includes('master') || !node.hasSlots) continue;
    const replica = running.find((server) => nodeOf(server)?.masterId === node.id);
    if (replica !== undefined) return { master, replica };
  }
  throw new Error('no master of the Redis cluster has a replica that is up');
}
