/**
 * One PostgreSQL server process on 127.0.0.1, with durable commits: without fsync every design would look good.
 */
import { EnvironmentError } from '../../../errors.ts';
import {
  type Child,
  ChildFailure,
  startChild,
  waitUntilReady,
} from '../../process/child-process.ts';
import { withFreePort } from '../../process/free-port.ts';
import type { Lease } from '../../process/lease.ts';
import type { RunUser } from '../../process/run-user.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { withPostgres } from './postgres-client.ts';

const READY_LIMIT_MS = 20_000;
const ANSWER_LIMIT_MS = 2_000;

const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track_planning': 'on',
  compute_query_id: 'on',
  fsync: 'on',
  synchronous_commit: 'on',
  // In the data directory and removed with it: files in /dev/shm of a server killed with -9 would stay.
  dynamic_shared_memory_type: 'mmap',
  // One query uses one core, so that PostgreSQL's core is the resource that saturates.
  max_parallel_workers_per_gather: '0',
  jit: 'off',
};

export interface PostgresOptions {
  readonly binaries: PostgresBinaries;
  readonly dataDir: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly cores: string | null;
  readonly user: RunUser | null;
  readonly lease: Lease;
  readonly logFile: string;
  readonly name?: string;
  readonly signal?: AbortSignal | undefined;
  /** For tests of the port race. */
  readonly findPort?: () => Promise<number>;
}

export interface PostgresProcess {
  /** Superuser, database `postgres`, no search_path. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly child: Child;
  /** Resolves when this server has answered a query. */
  ping(): Promise<true>;
  stop(): Promise<void>;
}

/** A clean environment: PGDATA, PGOPTIONS or a locale of the operator's shell must not change the server. */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

/** The data directory of the server that answers at `url`; identifies it. */
async function dataDirectoryAt(url: string): Promise<string> {
  return await withPostgres(url, ANSWER_LIMIT_MS, async (client) => {
    const { rows } = await client.query('SHOW data_directory');
    return String(rows[0].data_directory);
  });
}

async function startOn(port: number, options: PostgresOptions): Promise<PostgresProcess> {
  const settings = { ...DEFAULT_SETTINGS, ...options.settings, port: String(port) };
  const child = await startChild({
    name: options.name ?? 'postgres',
    command: options.binaries.postgres,
    args: [
      '-D',
      options.dataDir,
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    env: postgresEnvironment(),
    cwd: options.dataDir,
    logFile: options.logFile,
    user: options.user,
    cores: options.cores,
    lease: options.lease,
    // Fast shutdown, then immediate.
    stopSignals: ['SIGINT', 'SIGQUIT'],
  });
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const probe = async (): Promise<true> => {
    const found = await dataDirectoryAt(url);
    if (found !== options.dataDir) throw new PortTaken(port, found);
    return true;
  };
  try {
    await waitUntilReady(child, probe, { limitMs: READY_LIMIT_MS, signal: options.signal });
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    url,
    port,
    pid: child.pid,
    child,
    ping: probe,
    stop: () => child.stop(),
  };
}

class PortTaken extends Error {
  constructor(port: number, dataDirectory: string) {
    super(`another PostgreSQL (${dataDirectory}) answers on port ${port}`);
  }
}

function isPortTaken(error: unknown): boolean {
  if (!(error instanceof ChildFailure)) return false;
  return error.notice.lastLines.some((line) => /could not bind|in use/i.test(line));
}

export async function startPostgres(options: PostgresOptions): Promise<PostgresProcess> {
  try {
    return await withFreePort((port) => startOn(port, options), isPortTaken, options.findPort);
  } catch (error) {
    if (!(error instanceof ChildFailure)) throw error;
    const evidence = error.notice.lastLines.filter((line) => /FATAL|ERROR|PANIC|HINT/.test(line));
    throw new EnvironmentError(
      {
        what: `PostgreSQL ${options.binaries.version} did not start (${error.notice.status})`,
        why: `${evidence.at(-1) ?? error.notice.lastLines.at(-1) ?? 'no output'}; log: ${error.notice.logFile}`,
        next: 'platform doctor',
      },
      { cause: error },
    );
  }
}
