/** The two stores of a testbed: our own servers, or those that DATABASE_URL and REDIS_URL name. */
import path from 'node:path';
import type { TestbedSpec } from '../../scenario.ts';
import type { Child } from './child-process.ts';
import { syncDataDirectory } from './data-directory.ts';
import { claimPostgres, claimRedis, prefixOf } from './external.ts';
import type { Lease } from './lease.ts';
import type { PinPlan } from './pin-plan.ts';
import { startPostgres } from './postgres.ts';
import { preparePostgres } from './postgres-binaries.ts';
import { copyTemplate } from './postgres-template.ts';
import { childrenOf } from './process-table.ts';
import { startRedis } from './redis.ts';
import type { RunUser } from './run-user.ts';
import { withSearchPath } from './search-path.ts';
import { provideTemplate, TEMPLATE_SCHEMA } from './template-build.ts';
import type { Undo } from './undo.ts';

export interface StoreContext {
  readonly runId: string;
  readonly seed: number;
  readonly cores: PinPlan | null;
  readonly onNote: (text: string) => void;
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
  readonly child: Child | null;
  /** Null when its processes cannot be seen from here. */
  readonly pids: (() => number[]) | null;
  /** True when the template's steps must still run in this schema. */
  readonly isEmpty: boolean;
}

export interface RedisPart {
  readonly url: string;
  readonly prefix: string;
  readonly version: string;
  readonly child: Child | null;
}

export async function openRedis(context: StoreContext): Promise<RedisPart> {
  const { env, lease, undo, signal, user } = context;
  if (env.REDIS_URL) {
    const { url, prefix, version, drop } = await claimRedis(env.REDIS_URL, lease);
    undo.add('the keys in REDIS_URL', drop);
    return { url, prefix, version, child: null };
  }
  const server = await startRedis({
    lease,
    user,
    cores: context.cores?.rest ?? null,
    logFile: path.join(context.logs, 'redis.log'),
    env,
    signal,
  });
  undo.addServer('redis', server.child, server.port);
  return {
    url: server.url,
    prefix: prefixOf(context.runId),
    version: server.version,
    child: server.child,
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
    child: null,
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
  await copyTemplate(template, dataDir);
  // Otherwise the kernel writes the copy back during the first seconds of the measurement.
  await syncDataDirectory({ binaries, user, dataDir });
  const server = await startPostgres({
    binaries,
    dataDir,
    settings: spec.settings,
    cores: cores?.postgres ?? null,
    user,
    lease,
    logFile: path.join(logs, 'postgres.log'),
    signal,
  });
  undo.addServer('postgres', server.child, server.port);
  return {
    url: withSearchPath(server.url, TEMPLATE_SCHEMA),
    schema: TEMPLATE_SCHEMA,
    version: binaries.version,
    child: server.child,
    pids: () => [server.pid, ...server.backendPids()],
    isEmpty: false,
  };
}
