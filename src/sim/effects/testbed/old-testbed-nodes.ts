/**
 * DELETE at the switch to topologies, with testbed.ts: what the testbed of one PostgreSQL, one Redis and one service
 * starts, as nodes and edges, so that faults and the proxy know only these.
 */
import type { TestbedSpec } from '../../scenario.ts';
import { CLIENT, type EdgeSpec, type Topology } from '../../topology.ts';
import type { ControlledProcess } from '../process/controlled-process.ts';
import type { Member, RunningNode } from './node.ts';
import { BACKEND, type Processes } from './processes.ts';

export interface OldEdges {
  readonly client: EdgeSpec;
  readonly redis: EdgeSpec;
  readonly postgres: EdgeSpec;
}

export function oldEdges({ service: { name }, links = [] }: TestbedSpec): OldEdges {
  return {
    client: { from: CLIENT, to: name, proxied: links.includes('client-service') },
    redis: { from: name, to: 'redis', proxied: links.includes('service-redis') },
    postgres: { from: name, to: 'postgres', proxied: links.includes('service-postgres') },
  };
}

export function oldTopology(spec: TestbedSpec): Topology {
  const { service, instances = 1 } = spec;
  return {
    nodes: {
      redis: { kind: 'redis' },
      postgres: { kind: 'postgres' },
      [service.name]: { kind: 'process', start: { module: service.module }, instances },
    },
    edges: Object.values(oldEdges(spec)),
    jobs: [],
  };
}

export interface OldPart {
  readonly name: string;
  readonly kind: 'postgres' | 'redis' | 'process';
  readonly namespace: string;
  readonly url: string;
  /** Empty for a server of the operator's. */
  readonly servers: readonly { readonly process: ControlledProcess; readonly url: string }[];
}

/** `processes` is asked for when a fault acts: it knows every process once all are up. */
export function oldNode(part: OldPart, processes: () => Processes): RunningNode {
  const { name, kind, namespace, servers } = part;
  const members = servers.map(({ process, url }): Member => {
    const { name: own } = process;
    return {
      name: own,
      url,
      pid: () => process.pid,
      pids: () => process.pids(),
      signal: (signal) => processes().signal(own, signal),
      restart: () => processes().restart(own),
      probe: () => processes().probe(own),
    };
  });
  const urls = servers.length === 0 ? [part.url] : servers.map(({ url }) => url);
  return {
    name,
    kind,
    region: 'local',
    version: null,
    members,
    address: { url: urls[0]!, urls, namespace },
    pids: () => members.flatMap((member) => member.pids()),
    cores: 'any',
    coreCount: 1,
    capabilities:
      kind === 'postgres' && members.length > 0
        ? { strikeBackend: (signal) => processes().signal(BACKEND, signal) }
        : {},
    work: async () => [],
  };
}
