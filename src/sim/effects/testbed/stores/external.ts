/**
 * The operator's stores (DATABASE_URL, REDIS_URL). A run uses only a schema and a key prefix named after the run. Both
 * are written to the lease before they are created, so that the cleanup finds them after a crash, and are removed at
 * the end.
 */
import { EnvironmentError } from '../../../errors.ts';
import { dropKeys, dropSchema } from '../../process/external-cleanup.ts';
import type { Lease } from '../../process/lease.ts';
import { commandOf, parentOf } from '../../process/process-table.ts';
import { AddressProblem, redactAddress } from '../addresses/address-text.ts';
import { choosePostgresHost } from '../addresses/choose-host.ts';
import { normalizeRedisAddress } from '../addresses/redis-address.ts';
import { withPostgres } from './postgres-client.ts';
import { redisInfo } from './redis-process.ts';
import { withSearchPath } from './search-path.ts';

const CONNECT_LIMIT_MS = 5_000;

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

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}

/** What an address begins with, in the words of the error. */
const SCHEMES = { DATABASE_URL: 'postgres://', REDIS_URL: 'redis:// or unix:///' } as const;

function unreachableError(
  name: keyof typeof SCHEMES,
  address: string,
  cause: unknown,
): EnvironmentError {
  const isUnreadable = cause instanceof AddressProblem;
  return new EnvironmentError(
    {
      what: `cannot use ${name} ${redactAddress(address)}`,
      why: isUnreadable
        ? `expected an address that starts with ${SCHEMES[name]}: ${cause.message}`
        : reasonOf(cause),
      next: `unset ${name}  (the run then starts its own server)`,
    },
    { cause },
  );
}

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

/** The server's version; throws an EnvironmentError when it cannot be used. */
export async function pingPostgres(address: string): Promise<string> {
  try {
    const { url } = await choosePostgresHost(address, CONNECT_LIMIT_MS);
    return await withPostgres(url, CONNECT_LIMIT_MS, async (client) => {
      const { rows } = await client.query('SHOW server_version');
      return String(rows[0].server_version).split(' ')[0]!;
    });
  } catch (cause) {
    throw unreachableError('DATABASE_URL', address, cause);
  }
}

/** Creates the run's schema. */
export async function claimPostgres(address: string, lease: Lease): Promise<ExternalPostgres> {
  const schema = schemaOf(lease.runId);
  try {
    const { url, of, name } = await choosePostgresHost(address, CONNECT_LIMIT_MS);
    const claim = { url, schema };
    return await withPostgres(url, CONNECT_LIMIT_MS, async (client) => {
      const { rows } = await client.query(
        `SELECT current_setting('server_version') AS version, pg_backend_pid() AS pid`,
      );
      lease.addExternal({ postgres: claim });
      await client.query(`CREATE SCHEMA "${schema}"`);
      return {
        url: withSearchPath(url, schema),
        chosenHost: of === 1 ? null : name,
        schema,
        version: String(rows[0].version).split(' ')[0]!,
        postmasterPid: isOnThisMachine(url) ? postmasterOf(Number(rows[0].pid)) : null,
        drop: () => dropSchema(claim),
      };
    });
  } catch (cause) {
    throw unreachableError('DATABASE_URL', address, cause);
  }
}

/** Reserves the run's key prefix. */
export async function claimRedis(address: string, lease: Lease): Promise<ExternalRedis> {
  const prefix = prefixOf(lease.runId);
  try {
    const url = normalizeRedisAddress(address);
    const claim = { url, prefix };
    const { version } = await redisInfo(url, CONNECT_LIMIT_MS);
    lease.addExternal({ redis: claim });
    return { url, prefix, version, drop: () => dropKeys(claim) };
  } catch (cause) {
    throw unreachableError('REDIS_URL', address, cause);
  }
}
