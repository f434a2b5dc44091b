/**
 * What every process holds while nothing is sent to it: descriptors, memory and the gauges of its own metrics, and, from
 * the stores, its connections. Read several times, because a process at rest still works now and then.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { RestRecord } from '../../history.ts';
import { openDescriptorsOf } from '../process/open-descriptors.ts';
import { childrenOf, rssBytesOf } from '../process/process-table.ts';
import type { Member, RunningNode } from '../testbed/node.ts';
import { withPostgres } from '../testbed/stores/postgres-client.ts';
import { withRedis } from '../testbed/stores/redis-client.ts';
import type { Testbed } from '../testbed/testbed.ts';
import { scrape } from './prometheus.ts';

/** The least of those after the load counts, and a process must have had the time to come to rest. */
const READINGS = { before: 2, after: 4 } as const;
const INTERVAL_MS = 100;
const LIMIT_MS = 1_000;

const CONNECTIONS = `
  SELECT application_name AS name, coalesce(state, 'starting') AS state, count(*)::int AS count
  FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
  GROUP BY 1, 2`;

type Counts = Record<string, number>;

/** Takes at most half a second on a quiet machine. Never rejects: what cannot be read has no counts. */
export async function readRest(
  { nodes }: Pick<Testbed, 'nodes'>,
  when: RestRecord['when'],
  nowUs: () => number,
): Promise<RestRecord[]> {
  const all = [...nodes.values()];
  const members = all.filter(({ kind }) => kind === 'process').flatMap((node) => node.members);
  const names = members.map(({ name }) => name);
  const records: RestRecord[] = [];
  for (let reading = 0; reading < READINGS[when]; reading += 1) {
    if (reading > 0) await delay(INTERVAL_MS);
    const read = async (process: string, counts: Promise<Counts>): Promise<RestRecord> => {
      const found = await counts.catch(() => null);
      return { kind: 'rest', when, atUs: nowUs(), process, ...(found && { counts: found }) };
    };
    const stores = all.flatMap((node) => {
      if (node.kind === 'postgres') return [read(node.name, readConnections(node, names))];
      // Others share the operator's server.
      const isOwn = node.kind === 'redis' && node.members.length > 0;
      return isOwn ? [read(node.name, readClients(node))] : [];
    });
    const processes = members.map((member) => read(member.name, readProcess(member)));
    records.push(...(await Promise.all([...processes, ...stores])));
  }
  return records;
}

async function readProcess(member: Member): Promise<Counts> {
  const metricsUrl = member.metricsUrl?.() ?? member.url;
  const gauges = await scrape(metricsUrl, LIMIT_MS).then((metrics) => metrics.gauges());
  const pid = member.pid();
  const descriptors = openDescriptorsOf(
    pid,
    [member.url, metricsUrl].map((url) => Number(new URL(url).port)),
  );
  const rssBytes = rssBytesOf(pid);
  if (descriptors === null || rssBytes === null) throw new Error(`${member.name} cannot be read`);
  return { ...gauges, ...descriptors, rssBytes, children: childrenOf(pid).length };
}

/** Of the processes of the topology, which connect under names that begin with theirs: `gateway.1.audit idle`. */
async function readConnections(
  { address }: RunningNode,
  names: readonly string[],
): Promise<Counts> {
  const { rows } = await withPostgres(address.url, LIMIT_MS, (client) =>
    client.query<{ name: string; state: string; count: number }>(CONNECTIONS),
  );
  const own = rows.filter(({ name }) =>
    names.some((process) => name === process || name.startsWith(`${process}.`)),
  );
  return Object.fromEntries(own.map(({ name, state, count }) => [`${name} ${state}`, count]));
}

async function readClients({ address }: RunningNode): Promise<Counts> {
  const counts = await Promise.all(
    address.urls.map((url) =>
      withRedis(url, LIMIT_MS, async (redis) => {
        const own = await redis.client('ID');
        const list = String(await redis.client('LIST', 'TYPE', 'NORMAL'));
        const others = list.split('\n').filter((line) => /^id=\d/.test(line));
        return others.filter((line) => !line.startsWith(`id=${own} `)).length;
      }),
    ),
  );
  return { clients: counts.reduce((sum, count) => sum + count, 0) };
}
