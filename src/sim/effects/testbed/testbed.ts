/**
 * The testbed: the real PostgreSQL, Redis and service process of one arm, and the promise that all of it is gone
 * afterwards. Everything started is pushed on a stack of undo steps in the same breath; a failure or an abort
 * anywhere unwinds the stack.
 */
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { ProcessSpec, TestbedSpec } from '../../scenario.ts';
import { CLIENT } from '../../topology.ts';
import type { FaultTargets } from '../faults/fault.ts';
import { createFaultTargets } from '../faults/fault-targets.ts';
import { makePassable, makePrivate, openCache } from '../process/cache.ts';
import type { DeathNotice } from '../process/child-process.ts';
import { createLease, type Lease } from '../process/lease.ts';
import { cleanStale } from '../process/leftovers.ts';
import type { PinPlan } from '../process/pin-plan.ts';
import { type RunUser, runUser } from '../process/run-user.ts';
import { Undo } from '../process/undo.ts';
import { explainDiskFull } from './disk-space.ts';
import { TestbedEdges } from './edges.ts';
import type { RunningNode } from './node.ts';
import { type OldPart, oldEdges, oldNode, oldTopology } from './old-testbed-nodes.ts';
import type { ProcessConfig } from './process-contract.ts';
import { createProcesses, type Processes } from './processes.ts';
import { runOneShot } from './service-process.ts';
import { instanceNames, startServices } from './testbed-services.ts';
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
  /** Of the choices the fault proxy makes; default `seed`. */
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

export interface Testbed extends FaultTargets {
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
  const config = { ...configOf(context, postgres, redis), stateDirectory };
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
  const topology = oldTopology(spec);
  const { client, ...stores } = oldEdges(spec);
  const edges = await TestbedEdges.open({
    topology,
    membersOf: () => instanceNames(name, instanceCount),
    seed: context.faultSeed ?? context.seed,
    cores: restCores,
    lease,
    undo,
    logFile: logFile('fault-proxy'),
    onDeath: context.onDeath,
  });
  const nodes = new Map<string, RunningNode>();
  const connect = async (part: OldPart) => {
    const node = oldNode(part, () => processes);
    nodes.set(part.name, node);
    await edges.connect(node);
  };
  await connect(storePart('postgres', postgres, postgres.schema));
  await connect(storePart('redis', redis, redis.prefix));
  const instances = await startServices({
    spec: spec.service,
    instances: instanceCount,
    configOf: (instance) => ({
      ...config,
      databaseUrl: edges.addressOf(stores.postgres, instance).url,
      redisUrl: edges.addressOf(stores.redis, instance).url,
    }),
    cores: restCores,
    lease,
    undo,
    logFile,
    signal,
    onDeath: context.onDeath,
  });
  const url = instances[0]!.url;
  await connect({ name, kind: 'process', namespace: '', url, servers: instances });
  const published = edges.addressOf(client, CLIENT).urls;
  const services: Service[] = instances.map(({ process }, index) => ({
    name: process.name,
    url: published[index]!,
    pid: () => process.pid,
  }));
  const own = [redis.process, postgres.process].filter((one) => one !== null);
  const controlled = [...own, ...instances.map(({ process }) => process)];
  const processes = createProcesses(controlled, postgres.url);
  const { proxyPid } = edges;
  return {
    ...config,
    ...createFaultTargets(topology, nodes, edges),
    postgresVersion: postgres.version,
    redisVersion: redis.version,
    services,
    service: services[0]!,
    processes,
    accountsFile,
    pids: {
      ...(postgres.pids && { postgres: postgres.pids }),
      ...(redis.process && { redis: () => redis.process!.pids() }),
      ...(proxyPid !== null && { proxy: () => [proxyPid] }),
      [name]: () => instances.flatMap(({ process }) => process.pids()),
    },
    cores: {
      postgres: postgres.process ? (context.cores?.postgres ?? 'any') : 'any',
      redis: redis.process ? (restCores ?? 'any') : 'any',
      ...(proxyPid !== null && { proxy: restCores ?? 'any' }),
      [name]: restCores ?? 'any',
    },
    databaseCores: postgres.process && context.cores ? 1 : availableParallelism(),
    lease,
    logFile,
    runOneShot: once,
    stop: () => undo.run(),
  };
}

function storePart(
  kind: 'postgres' | 'redis',
  { url, process }: Pick<PostgresPart, 'url' | 'process'>,
  namespace: string,
): OldPart {
  const servers = process === null ? [] : [{ process, url }];
  return { name: kind, kind, namespace, url, servers };
}

function configOf(context: Context, postgres: PostgresPart, redis: RedisPart) {
  return {
    databaseUrl: postgres.url,
    databaseSchema: postgres.schema,
    redisUrl: redis.url,
    redisPrefix: redis.prefix,
    seed: context.seed,
  };
}
