/** One Redis (or Valkey) server process: from PATH, on 127.0.0.1, without persistence. */
import path from 'node:path';
import { EnvironmentError } from '../../../errors.ts';
import { writePrivateFile } from '../../process/cache.ts';
import {
  type Child,
  ChildFailure,
  startChild,
  waitUntilReady,
} from '../../process/child-process.ts';
import { findProgram } from '../../process/find-program.ts';
import { withFreePort } from '../../process/free-port.ts';
import type { Lease } from '../../process/lease.ts';
import type { RunUser } from '../../process/run-user.ts';
import { withRedis } from './redis-client.ts';

const READY_LIMIT_MS = 10_000;

export interface RedisOptions {
  readonly lease: Lease;
  readonly cores: string | null;
  readonly user: RunUser | null;
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly findPort?: () => Promise<number>;
  /** Of the default user, and towards its primary. */
  readonly password: string;
  /** Of the process, in the lease and in its ExitNotice; default `redis`. */
  readonly name?: string;
  /** Further directives, as command-line arguments. */
  readonly directives?: readonly string[];
  /** Its working folder; default the lease's folder, which it cannot write to. */
  readonly folder?: string;
}

export interface RedisProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** `redis 8.0.2`, `valkey 8.1.1`. */
  readonly version: string;
  readonly child: Child;
  /** Resolves to the version when this server, and no other on its port, has answered. */
  ping(): Promise<string>;
  stop(): Promise<void>;
}

export function findRedis(env: NodeJS.ProcessEnv = process.env): string | null {
  return findProgram('redis-server', env) ?? findProgram('valkey-server', env);
}

/** Parses the lines `name:value` of INFO and CLUSTER INFO. */
export function infoFields(text: string): (name: string) => string | undefined {
  return (name) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1];
}

/** Version and process id, from INFO. */
export async function redisInfo(
  url: string,
  limitMs: number,
): Promise<{ version: string; pid: number }> {
  return await withRedis(url, limitMs, async (redis) => {
    const field = infoFields(await redis.info('server'));
    const valkey = field('valkey_version');
    const version = valkey ? `valkey ${valkey}` : `redis ${field('redis_version') ?? 'unknown'}`;
    return { version, pid: Number(field('process_id')) };
  });
}

async function startOnPort(
  port: number,
  program: string,
  options: RedisOptions,
): Promise<RedisProcess> {
  const { name = 'redis', password, user } = options;
  // In the run's folder, where the cleanup looks for a killed run's processes.
  const folder = options.folder ?? options.lease.folder;
  // Arguments can be read by every local account; this file by the server's alone.
  const secrets = path.join(folder, `${name}.conf`);
  await writePrivateFile(secrets, `requirepass ${password}\nmasterauth ${password}\n`, user);
  const child = await startChild({
    name,
    command: program,
    args: [
      secrets,
      '--port',
      `${port}`,
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      ...(options.directives ?? []),
    ],
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    cwd: folder,
    logFile: options.logFile,
    user,
    cores: options.cores,
    lease: options.lease,
    stopSignals: ['SIGTERM'],
  });
  const url = `redis://:${password}@127.0.0.1:${port}`;
  const ping = async (): Promise<string> => {
    const { version, pid } = await redisInfo(url, 1_000);
    if (pid !== child.pid) throw new Error(`another Redis (pid ${pid}) answers on port ${port}`);
    return version;
  };
  try {
    const limits = { limitMs: READY_LIMIT_MS, signal: options.signal };
    const version = await waitUntilReady(child, ping, limits);
    const stop = () => child.stop();
    return { url, port, pid: child.pid, version, child, ping, stop };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** The server ended because it could not bind its port. */
function isPortTaken(error: unknown): boolean {
  return error instanceof ChildFailure && /in use|Failed listening/i.test(error.message);
}

export async function startRedis(options: RedisOptions): Promise<RedisProcess> {
  const program = findRedis(options.env);
  if (program === null) {
    throw new EnvironmentError({
      what: 'Redis is not installed',
      why: 'neither redis-server nor valkey-server is on PATH, and REDIS_URL is not set',
      next: 'platform setup',
    });
  }
  try {
    return await withFreePort(
      (port) => startOnPort(port, program, options),
      isPortTaken,
      options.findPort,
    );
  } catch (error) {
    if (!(error instanceof ChildFailure)) throw error;
    throw new EnvironmentError(
      {
        what: `Redis did not start (${error.notice.status})`,
        why: `${error.notice.lastLines.at(-1) ?? 'no output'}; log: ${error.notice.logFile}`,
        next: 'platform doctor',
      },
      { cause: error },
    );
  }
}
