/**
 * The operator's stores (DATABASE_URL, REDIS_URL). A run uses only a schema and a key prefix named after the run. Both
 * are written to the lease before they are created, so that the cleanup finds them after a crash, and are removed at
 * the end.
 */
import { EnvironmentError } from '../../../errors.ts';
import { dropKeys, dropSchema } from '../../process/external-cleanup.ts';
import type { Lease } from '../../process/lease.ts';
import { commandOf, parentOf } from '../../process/process-table.ts';
import { withPostgres } from './postgres-client.ts';
import { redisInfo } from './redis-process.ts';
import { withSearchPath } from './search-path.ts';

const CONNECT_LIMIT_MS = 5_000;

export interface ExternalPostgres {
  readonly url: string;
  readonly schema: string;
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

/** The address without its password, for messages. */
export function redact(address: string): string {
  try {
    const url = new URL(address);
    if (url.password !== '') url.password = '***';
    if (url.searchParams.has('password')) url.searchParams.set('password', '***');
    return url.toString();
  } catch {
    return '(not a URL)';
  }
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

function unreachableError(name: string, address: string, cause: unknown): EnvironmentError {
  return new EnvironmentError(
    {
      what: `cannot use ${name} ${redact(address)}`,
      why: reasonOf(cause),
      next: `unset ${name}  (the run then starts its own server)`,
    },
    { cause },
  );
}

function assertScheme(name: string, address: string, schemes: readonly string[]): void {
  const scheme = URL.canParse(address) ? new URL(address).protocol : null;
  if (scheme !== null && schemes.includes(scheme)) return;
  throw unreachableError(
    name,
    address,
    new Error(`expected an address that starts with ${schemes[0]}//`),
  );
}

/** The postmaster is the parent of this connection's backend, if the backend runs on this machine. */
function postmasterOf(backendPid: number): number | null {
  if (commandOf(backendPid) !== 'postgres') return null;
  const parent = parentOf(backendPid);
  return parent !== null && commandOf(parent) === 'postgres' ? parent : null;
}

const LOCAL_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]', ''];

/** The server's version; throws an EnvironmentError when it cannot be used. */
export async function pingPostgres(address: string): Promise<string> {
  assertScheme('DATABASE_URL', address, ['postgres:', 'postgresql:']);
  try {
    return await withPostgres(address, CONNECT_LIMIT_MS, async (client) => {
      const { rows } = await client.query('SHOW server_version');
      return String(rows[0].server_version).split(' ')[0]!;
    });
  } catch (cause) {
    throw unreachableError('DATABASE_URL', address, cause);
  }
}

/** Creates the run's schema. */
export async function claimPostgres(address: string, lease: Lease): Promise<ExternalPostgres> {
  assertScheme('DATABASE_URL', address, ['postgres:', 'postgresql:']);
  const schema = schemaOf(lease.runId);
  const claim = { url: address, schema };
  try {
    return await withPostgres(address, CONNECT_LIMIT_MS, async (client) => {
      const { rows } = await client.query(
        `SELECT current_setting('server_version') AS version, pg_backend_pid() AS pid`,
      );
      lease.addExternal({ postgres: claim });
      await client.query(`CREATE SCHEMA "${schema}"`);
      const isLocal = LOCAL_HOSTS.includes(new URL(address).hostname);
      return {
        url: withSearchPath(address, schema),
        schema,
        version: String(rows[0].version).split(' ')[0]!,
        postmasterPid: isLocal ? postmasterOf(Number(rows[0].pid)) : null,
        drop: () => dropSchema(claim),
      };
    });
  } catch (cause) {
    throw unreachableError('DATABASE_URL', address, cause);
  }
}

/** Reserves the run's key prefix. */
export async function claimRedis(address: string, lease: Lease): Promise<ExternalRedis> {
  assertScheme('REDIS_URL', address, ['redis:', 'rediss:']);
  const prefix = prefixOf(lease.runId);
  const claim = { url: address, prefix };
  try {
    const { version } = await redisInfo(address, CONNECT_LIMIT_MS);
    lease.addExternal({ redis: claim });
    return { url: address, prefix, version, drop: () => dropKeys(claim) };
  } catch (cause) {
    throw unreachableError('REDIS_URL', address, cause);
  }
}
