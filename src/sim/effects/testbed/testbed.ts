/**
 * The testbed: the real PostgreSQL, Redis and service process of one arm, and the promise that all of it is gone
 * afterwards. Everything started is pushed on a stack of undo steps in the same breath; a failure or an abort
 * anywhere unwinds the stack.
 */
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { ProcessSpec, TestbedSpec } from '../../scenario.ts';
import { makePassable, makePrivate, openCache } from '../process/cache.ts';
import type { DeathNotice } from '../process/child-process.ts';
import { createLease, type Lease } from '../process/lease.ts';
import { cleanStale } from '../process/leftovers.ts';
import type { PinPlan } from '../process/pin-plan.ts';
import { type RunUser, runUser } from '../process/run-user.ts';
import { Undo } from '../process/undo.ts';
import { explainDiskFull } from './disk-space.ts';
import { type Links, ProxiedLinks, type StoreAddresses } from './links.ts';
import { type ProcessConfig, singleServer } from './process-contract.ts';
import { createProcesses, type Processes } from './processes.ts';
import { runOneShot } from './service-process.ts';
import { instanceNames } from './start/instances.ts';
import { startServices } from './testbed-services.ts';
import { openPostgres, openRedis, type PostgresPart, type RedisPart } from './testbed-stores.ts';

const ONE_SHOT_LIMIT_MS = 120_000;

export interface TestbedOptions {
  /** Unique per arm and run: names the lease, the schema and the key prefix. */
  readonly runId: string;
  /** Logs of this testbed's processes go here; made if need be. Default: in the lease's folder, gone with it. */
  readonly logFolder?: string;
  readonly spec: TestbedSpec;
  /** Of the data: the one-shot steps and the service draw from it. */
  readonly seed: number;
  /** Of the choices the links make; default `seed`. */
  readonly faultSeed?: number;
  readonly cores: PinPlan | null;
  readonly onNote: (text: string) => void;
  /** Called when a process of the testbed ends that nobody stopped. */
  readonly onDeath?: (notice: DeathNotice) => void;
  readonly signal?: AbortSignal;
  /** PATH, DATABASE_URL, REDIS_URL, PLATFORM_CACHE. Default: process.env. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface Service {
  readonly name: string;
  readonly url: string;
  /** Another one after each restart. */
  pid(): number;
}

export interface Testbed {
  readonly databaseUrl: string;
  readonly databaseSchema: string;
  /** What must survive a process and is in no store; gone with the testbed. */
  readonly stateDirectory: string;
  readonly redisUrl: string;
  readonly redisPrefix: string;
  readonly postgresVersion: string;
  readonly redisVersion: string;
  /** What a client talks to, one per process of the service. */
  readonly services: readonly Service[];
  /** The first of them. */
  readonly service: Service;
  /** Ends, pauses and restarts by name. */
  readonly processes: Processes;
  /** Null when the scenario declares no link. */
  readonly links: Links | null;
  readonly accountsFile: string;
  /** Process ids by name, read anew at each call. External servers that we cannot see are absent. */
  readonly pids: Readonly<Record<string, () => number[]>>;
  /** `taskset -c` list by name, `any` when not pinned. */
  readonly cores: Readonly<Record<string, string>>;
  /** How many cores PostgreSQL may fill: what 100 % of it means. */
  readonly databaseCores: number;
  /** For further children of this arm, such as the sender. They must be stopped before the testbed. */
  readonly lease: Lease;
  /** Path of a log in the log folder. */
  logFile(name: string): string;
  /** Runs a module to its end against this testbed; `params` are added to the spec's. */
  runOneShot(spec: ProcessSpec, params?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Stops everything and proves it: processes gone, ports closed, folders and schema removed. Idempotent. */
  stop(): Promise<void>;
}

type StepConfig = Omit<ProcessConfig, 'name' | 'params'>;

interface Context extends TestbedOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cache: string;
  readonly user: RunUser | null;
  readonly lease: Lease;
  readonly undo: Undo;
  readonly logs: string;
}

/** Removes what killed runs left on this machine. Call it before a run. */
export async function cleanBefore(
  onNote: (text: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  await cleanStale(await openCache(runUser(), env), onNote);
}

export async function startTestbed(options: TestbedOptions): Promise<Testbed> {
  const env = options.env ?? process.env;
  options.signal?.throwIfAborted();
  const user = runUser();
  const cache = await openCache(user, env);
  const lease = createLease({ runId: options.runId, cache });
  const undo = new Undo();
  undo.add('the lease', () => lease.release());
  const logs = options.logFolder ?? path.join(lease.folder, 'logs');
  const context: Context = { ...options, env, cache, user, lease, undo, logs };
  try {
    await mkdir(logs, { recursive: true });
    return await assemble(context);
  } catch (error) {
    const explained = await explainDiskFull(error, cache);
    await undo.run().catch((failure) => {
      options.onNote(`after the failed start: ${(failure as Error).message}`);
    });
    throw explained;
  }
}

async function assemble(context: Context): Promise<Testbed> {
  const { lease, undo, spec, signal } = context;
  const workFolder = path.join(lease.folder, 'work');
  await makePassable(lease.folder);
  await makePrivate(workFolder, null);
  const logFile = (name: string): string => path.join(context.logs, `${name}.log`);
  const redis = await openRedis(context);
  const postgres = await openPostgres(context, spec.postgres);
  const stateDirectory = path.join(lease.folder, 'state');
  await makePrivate(stateDirectory, null);
  const stores = storesOf(postgres, redis);
  const config: StepConfig = { addresses: addressesOf(stores), seed: context.seed, stateDirectory };
  const restCores = context.cores?.rest ?? null;
  const runWith = (config: StepConfig, one: ProcessSpec): Promise<void> =>
    runOneShot({
      spec: one,
      config,
      cores: restCores,
      lease,
      logFile: logFile(one.name),
      signal,
      limitMs: ONE_SHOT_LIMIT_MS,
    });
  const build = (one: ProcessSpec) => runWith({ ...config, stateDirectory: '' }, one);
  const once = (one: ProcessSpec, params: Readonly<Record<string, unknown>> = {}) =>
    runWith(config, { ...one, params: { ...one.params, ...params } });
  if (postgres.isEmpty) for (const step of spec.postgres.template) await build(step);
  const accountsFile = path.join(workFolder, 'accounts.json');
  await once(spec.accounts, { outFile: accountsFile });
  const { name } = spec.service;
  const instanceCount = spec.instances ?? 1;
  const links = await openLinks(context, instanceNames(name, instanceCount), stores, logFile);
  const instances = await startServices({
    spec: spec.service,
    instances: instanceCount,
    configOf: (instance) => ({
      ...config,
      addresses: addressesOf({ ...stores, ...links?.storesOf(instance) }),
    }),
    cores: restCores,
    lease,
    undo,
    logFile,
    signal,
    onDeath: context.onDeath,
  });
  const services: Service[] = [];
  for (const { process, url } of instances) {
    const published = (await links?.publish(process.name, url)) ?? url;
    services.push({ name: process.name, url: published, pid: () => process.pid });
  }
  const own = [redis.process, postgres.process].filter((one) => one !== null);
  const controlled = [...own, ...instances.map(({ process }) => process)];
  return {
    ...stores,
    stateDirectory,
    postgresVersion: postgres.version,
    redisVersion: redis.version,
    services,
    service: services[0]!,
    processes: createProcesses(controlled, postgres.url),
    links,
    accountsFile,
    pids: {
      ...(postgres.pids && { postgres: postgres.pids }),
      ...(redis.process && { redis: () => redis.process!.pids() }),
      ...(links && { proxy: () => [links.proxy.pid] }),
      [name]: () => instances.flatMap(({ process }) => process.pids()),
    },
    cores: {
      postgres: postgres.process ? (context.cores?.postgres ?? 'any') : 'any',
      redis: redis.process ? (restCores ?? 'any') : 'any',
      ...(links && { proxy: restCores ?? 'any' }),
      [name]: restCores ?? 'any',
    },
    databaseCores: postgres.process && context.cores ? 1 : availableParallelism(),
    lease,
    logFile,
    runOneShot: once,
    stop: () => undo.run(),
  };
}

async function openLinks(
  context: Context,
  instances: readonly string[],
  stores: StoreAddresses,
  logFile: (name: string) => string,
): Promise<ProxiedLinks | null> {
  const { spec, lease, undo, onDeath } = context;
  if ((spec.links ?? []).length === 0) return null;
  return await ProxiedLinks.open({
    links: spec.links ?? [],
    instances,
    stores,
    seed: context.faultSeed ?? context.seed,
    cores: context.cores?.rest ?? null,
    lease,
    undo,
    logFile: logFile('fault-proxy'),
    onDeath,
  });
}

function storesOf(postgres: PostgresPart, redis: RedisPart) {
  return {
    databaseUrl: postgres.url,
    databaseSchema: postgres.schema,
    redisUrl: redis.url,
    redisPrefix: redis.prefix,
  };
}

const addressesOf = (stores: ReturnType<typeof storesOf>): ProcessConfig['addresses'] => ({
  database: singleServer(stores.databaseUrl, stores.databaseSchema),
  redis: singleServer(stores.redisUrl, stores.redisPrefix),
});
