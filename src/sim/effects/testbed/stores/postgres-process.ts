/**
 * One PostgreSQL server process on 127.0.0.1. Commits are durable: without fsync they would cost too little, and every
 * design would look fast.
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
import { scramVerifier, withLogin } from './credentials.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { withPostgres } from './postgres-client.ts';

const READY_LIMIT_MS = 20_000;
const SUPERUSER = 'postgres';
/** For connecting and the query of one `ping`. */
const PING_LIMIT_MS = 2_000;

const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track_planning': 'on',
  compute_query_id: 'on',
  fsync: 'on',
  synchronous_commit: 'on',
  // Shared memory in the data directory is removed with it; in /dev/shm it would stay after a kill -9 of the server.
  dynamic_shared_memory_type: 'mmap',
  // A query uses one core: the resource that saturates is then the core that PostgreSQL is pinned to.
  max_parallel_workers_per_gather: '0',
  jit: 'off',
};

export interface PostgresOptions {
  readonly binaries: PostgresBinaries;
  /** Must exist; see data-directory.ts. */
  readonly dataDir: string;
  /** Of the superuser, for every connection of the harness. */
  readonly password: string;
  /** The superuser's password in the data directory, if `password` replaces it. */
  readonly replacedPassword?: string | undefined;
  /** Added to the default settings, or replace them. */
  readonly settings: Readonly<Record<string, string>>;
  /** A `taskset -c` list, or null for any core. */
  readonly cores: string | null;
  /** The account the server runs as; null: the user of this process. */
  readonly user: RunUser | null;
  readonly lease: Lease;
  readonly logFile: string;
  /** Of the process, in the lease and in its ExitNotice; default `postgres`. */
  readonly name?: string;
  readonly signal?: AbortSignal | undefined;
  /** Default: a random free port. A restart gives the port of the killed server. */
  readonly findPort?: () => Promise<number>;
}

export interface PostgresProcess {
  /** Superuser, database `postgres`, no search_path. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly child: Child;
  /** Resolves when this server, and no other on its port, has answered a query. */
  ping(): Promise<true>;
  stop(): Promise<void>;
}

/** PGDATA, PGOPTIONS or a locale of the operator's shell must not change the server: nothing but PATH is inherited. */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

/** The data directory identifies the server that answers at `url`. */
async function pingOwn(url: string, dataDir: string): Promise<true> {
  return await withPostgres(url, PING_LIMIT_MS, async (client) => {
    const { rows } = await client.query('SHOW data_directory');
    const answering = String(rows[0].data_directory);
    if (answering !== dataDir)
      throw new Error(`another PostgreSQL (${answering}) answers on port ${new URL(url).port}`);
    return true as const;
  });
}

async function replacePassword(url: string, password: string): Promise<void> {
  await withPostgres(url, PING_LIMIT_MS, (client) =>
    client.query(`ALTER ROLE ${SUPERUSER} PASSWORD '${scramVerifier(password)}'`),
  );
}

async function startOnPort(port: number, options: PostgresOptions): Promise<PostgresProcess> {
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
  const address = `postgres://127.0.0.1:${port}/postgres`;
  const { password, replacedPassword } = options;
  const url = withLogin(address, { role: SUPERUSER, password });
  const ping = () => pingOwn(url, options.dataDir);
  const limits = { limitMs: READY_LIMIT_MS, signal: options.signal };
  try {
    if (replacedPassword !== undefined) {
      const old = withLogin(address, { role: SUPERUSER, password: replacedPassword });
      await waitUntilReady(child, () => pingOwn(old, options.dataDir), limits);
      await replacePassword(old, password);
    }
    await waitUntilReady(child, ping, limits);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    url,
    port,
    pid: child.pid,
    child,
    ping,
    stop: () => child.stop(),
  };
}

/** The server ended because it could not bind its port. */
function isPortTaken(error: unknown): boolean {
  if (!(error instanceof ChildFailure)) return false;
  return error.notice.lastLines.some((line) => /could not bind|in use/i.test(line));
}

export async function startPostgres(options: PostgresOptions): Promise<PostgresProcess> {
  try {
    return await withFreePort((port) => startOnPort(port, options), isPortTaken, options.findPort);
  } catch (error) {
    if (!(error instanceof ChildFailure)) throw error;
    const { status, lastLines, logFile } = error.notice;
    const errorLines = lastLines.filter((line) => /FATAL|ERROR|PANIC|HINT/.test(line));
    throw new EnvironmentError(
      {
        what: `PostgreSQL ${options.binaries.version} did not start (${status})`,
        why: `${errorLines.at(-1) ?? lastLines.at(-1) ?? 'no output'}; log: ${logFile}`,
        next: 'platform doctor',
      },
      { cause: error },
    );
  }
}
