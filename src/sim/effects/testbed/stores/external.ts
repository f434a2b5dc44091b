/**
 * The operator's stores (DATABASE_URL, REDIS_URL). A run uses only a schema and a key prefix named after the run. Both
 * are written to the lease before they are created, so that the cleanup finds them after a crash, and are removed at
 * the end.
 */
import { dropKeys, dropSchema } from '../../process/external-cleanup.ts';
import type { Lease } from '../../process/lease.ts';
import { commandOf, parentOf } from '../../process/process-table.ts';
import {
  assertCurrentSchema,
  CONNECT_LIMIT_MS,
  inspectPostgres,
} from './external/inspect-postgres.ts';
import { inspectRedis } from './external/inspect-redis.ts';
import { explainServerFailure } from './external/server-address.ts';
import { withPostgres } from './postgres-client.ts';
import { withSearchPath } from './search-path.ts';

export interface ExternalPostgres {
  readonly url: string;
  readonly schema: string;
  /** Of several hosts in the address; null for a single one. */
  readonly chosenHost: string | null;
  readonly version: string;
  /** Null when the server runs on another machine, or without /proc. */
  readonly postmasterPid: number | null;
  drop(): Promise<void>;
}

export interface ExternalRedis {
  readonly url: string;
  readonly prefix: string;
  readonly version: string;
  drop(): Promise<void>;
}

const schemaOf = (runId: string): string =>
  `platform_${runId
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 48)}`;

export const prefixOf = (runId: string): string =>
  `ps:${runId.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 64)}:`;

/** The postmaster is the parent of this connection's backend, if the backend runs on this machine. */
function postmasterOf(backendPid: number): number | null {
  if (commandOf(backendPid) !== 'postgres') return null;
  const parent = parentOf(backendPid);
  return parent !== null && commandOf(parent) === 'postgres' ? parent : null;
}

const LOCAL_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]', ''];

/** Also by the folder of its socket. */
function isOnThisMachine(url: string): boolean {
  const { hostname } = new URL(url);
  return LOCAL_HOSTS.includes(hostname) || decodeURIComponent(hostname).startsWith('/');
}

/** Checks the server and creates the run's schema, which is the first write. */
export async function claimPostgres(address: string, lease: Lease): Promise<ExternalPostgres> {
  const schema = schemaOf(lease.runId);
  const { version, url, chosenHost } = await inspectPostgres(address, schema);
  const claim = { url, schema };
  const drop = () => dropSchema(claim);
  lease.addExternal({ postgres: claim });
  let isCreated = false;
  try {
    const postmasterPid = await withPostgres(url, CONNECT_LIMIT_MS, async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await client.query(`CREATE SCHEMA "${schema}"`);
      isCreated = true;
      return isOnThisMachine(url) ? postmasterOf(rows[0]!.pid) : null;
    });
    await assertCurrentSchema(url, schema);
    return {
      url: withSearchPath(url, schema),
      chosenHost,
      schema,
      version,
      postmasterPid,
      drop,
    };
  } catch (cause) {
    // If that fails too, it stays in the lease for the next run.
    if (isCreated) await drop().catch(() => {});
    throw explainServerFailure('DATABASE_URL', address, cause);
  }
}

/** Checks the server and reserves the run's key prefix. */
export async function claimRedis(address: string, lease: Lease): Promise<ExternalRedis> {
  const prefix = prefixOf(lease.runId);
  const { version, url } = await inspectRedis(address, prefix);
  const claim = { url, prefix };
  lease.addExternal({ redis: claim });
  return { url, prefix, version, drop: () => dropKeys(claim) };
}
