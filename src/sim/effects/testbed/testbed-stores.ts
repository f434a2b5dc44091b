/** The two stores of a testbed: our own servers, or those that DATABASE_URL and REDIS_URL name. */
import path from 'node:path';
import type { TestbedSpec } from '../../scenario.ts';
import type { DeathNotice } from '../process/child-process.ts';
import { ControlledProcess } from '../process/controlled-process.ts';
import type { Lease } from '../process/lease.ts';
import type { PinPlan } from '../process/pin-plan.ts';
import { childrenOf } from '../process/process-table.ts';
import type { RunUser } from '../process/run-user.ts';
import type { Undo } from '../process/undo.ts';
import { syncDataDirectory } from './data-directory.ts';
import { claimPostgres, claimRedis, prefixOf } from './external.ts';
import { startPostgres } from './postgres.ts';
import { preparePostgres } from './postgres-binaries.ts';
import { copyTemplate } from './postgres-template.ts';
import { startRedis } from './redis.ts';
import { withSearchPath } from './search-path.ts';
import { provideTemplate, TEMPLATE_SCHEMA } from './template-build.ts';

export interface StoreContext {
  readonly runId: string;
  readonly seed: number;
  readonly cores: PinPlan | null;
  readonly onNote: (text: string) => void;
  readonly onDeath?: (notice: DeathNotice) => void;
  readonly signal?: AbortSignal;
  readonly env: NodeJS.ProcessEnv;
  readonly cache: string;
  readonly user: RunUser | null;
  readonly lease: Lease;
  readonly undo: Undo;
  readonly logs: string;
}

export interface PostgresPart {
  readonly url: string;
  readonly schema: string;
  readonly version: string;
  /** Null for an external server. */
  readonly process: ControlledProcess | null;
  /** Null when its processes cannot be seen from here. */
  readonly pids: (() => number[]) | null;
  /** True when the template's steps must still run in this schema. */
  readonly isEmpty: boolean;
}

export interface RedisPart {
  readonly url: string;
  readonly prefix: string;
  readonly version: string;
  /** Null for an external server. */
  readonly process: ControlledProcess | null;
}

export async function openRedis(context: StoreContext): Promise<RedisPart> {
  const { env, lease, undo, signal, user } = context;
  if (env.REDIS_URL) {
    const { url, prefix, version, drop } = await claimRedis(env.REDIS_URL, lease);
    undo.add('the keys in REDIS_URL', drop);
    return { url, prefix, version, process: null };
  }
  const options = {
    lease,
    user,
    cores: context.cores?.rest ?? null,
    logFile: path.join(context.logs, 'redis.log'),
    env,
  };
  const server = await startRedis({ ...options, signal });
  const redis = new ControlledProcess({
    name: 'redis',
    running: server,
    launch: (stopped) =>
      startRedis({ ...options, signal: stopped, findPort: async () => server.port }),
    onDeath: context.onDeath,
  });
  undo.addServers('redis', [{ port: server.port, stop: () => redis.stop() }]);
  return {
    url: server.url,
    prefix: prefixOf(context.runId),
    version: server.version,
    process: redis,
  };
}

export async function openPostgres(
  context: StoreContext,
  spec: TestbedSpec['postgres'],
): Promise<PostgresPart> {
  return context.env.DATABASE_URL
    ? await openExternal(context, context.env.DATABASE_URL, spec)
    : await openOwn(context, spec);
}

async function openExternal(
  context: StoreContext,
  address: string,
  spec: TestbedSpec['postgres'],
): Promise<PostgresPart> {
  const { lease, undo, onNote } = context;
  const claimed = await claimPostgres(address, lease);
  undo.add('the schema in DATABASE_URL', claimed.drop);
  const settings = Object.keys(spec.settings);
  if (settings.length > 0) onNote(`DATABASE_URL keeps its own settings of ${settings.join(', ')}`);
  if (spec.template.length > 0) onNote('DATABASE_URL: the data is built anew in this run');
  const { postmasterPid } = claimed;
  return {
    url: claimed.url,
    schema: claimed.schema,
    version: claimed.version,
    process: null,
    pids: postmasterPid === null ? null : () => [postmasterPid, ...childrenOf(postmasterPid)],
    isEmpty: true,
  };
}

async function openOwn(
  context: StoreContext,
  spec: TestbedSpec['postgres'],
): Promise<PostgresPart> {
  const { cache, lease, undo, user, signal, onNote, logs, cores, seed } = context;
  const binaries = await preparePostgres(cache);
  const template = await provideTemplate({
    cache,
    binaries,
    user,
    lease,
    steps: spec.template,
    seed,
    logsFolder: logs,
    signal,
    onNote,
  });
  signal?.throwIfAborted();
  const dataDir = path.join(lease.folder, 'data');
  await copyTemplate(template, dataDir, lease);
  // Otherwise the kernel writes the copy back during the first seconds of the measurement.
  await syncDataDirectory({ binaries, user, dataDir });
  const options = {
    binaries,
    dataDir,
    settings: spec.settings,
    cores: cores?.postgres ?? null,
    user,
    lease,
    logFile: path.join(logs, 'postgres.log'),
  };
  const server = await startPostgres({ ...options, signal });
  const postgres = new ControlledProcess({
    name: 'postgres',
    running: server,
    launch: (stopped) =>
      startPostgres({ ...options, signal: stopped, findPort: async () => server.port }),
    // Fast shutdown: a SIGTERM waits until the last client has gone, which a pool never does.
    endSignal: 'SIGINT',
    onDeath: context.onDeath,
  });
  undo.addServers('postgres', [{ port: server.port, stop: () => postgres.stop() }]);
  return {
    url: withSearchPath(server.url, TEMPLATE_SCHEMA),
    schema: TEMPLATE_SCHEMA,
    version: binaries.version,
    process: postgres,
    pids: () => postgres.pids(),
    isEmpty: false,
  };
}
