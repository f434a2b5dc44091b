/**
 * Starts a testbed: each node after its dependencies, and the job that makes the accounts after the stores, before the
 * services.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CLIENT, type JobSpec, type Topology } from '../../topology.ts';
import { createFaultTargets } from '../faults/fault-targets.ts';
import { createPrivateFolder, createTraversableFolder } from '../process/cache.ts';
import type { Lease } from '../process/lease.ts';
import type { RunUser } from '../process/run-user.ts';
import type { UndoStack } from '../process/undo-stack.ts';
import { dependenciesOf } from './check-topology.ts';
import { TestbedEdges } from './edges.ts';
import { ownerAddress } from './logins.ts';
import type { Address, NodeContext, RunningNode } from './node.ts';
import { NODE_KINDS } from './node-kinds.ts';
import { publishAddress } from './published-addresses.ts';
import { runOneShot } from './service-process.ts';
import type { LoadTarget, Testbed, TestbedOptions } from './testbed-types.ts';

const JOB_LIMIT_MS = 120_000;

/** What a testbed uses for cleanup and files: folders, the lease, the undo stack. */
export interface TestbedResources {
  readonly env: NodeJS.ProcessEnv;
  readonly user: RunUser | null;
  /** The cache folder. */
  readonly cache: string;
  readonly lease: Lease;
  readonly undo: UndoStack;
  readonly logFolder: string;
}

export class Assembly {
  readonly #options: TestbedOptions;
  readonly #resources: TestbedResources;
  readonly #stateDirectory: string;
  readonly #accountsFile: string;
  readonly #started = new Map<string, RunningNode>();
  readonly #starts = new Map<string, Promise<RunningNode>>();
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  readonly #edges: TestbedEdges;
  #accounts: Promise<void> | null = null;

  private constructor(options: TestbedOptions, resources: TestbedResources, edges: TestbedEdges) {
    this.#options = options;
    this.#resources = resources;
    this.#edges = edges;
    this.#stateDirectory = path.join(resources.lease.folder, 'state');
    this.#accountsFile = path.join(resources.lease.folder, 'work', 'accounts.json');
    const given = options.signal ? [options.signal] : [];
    this.#signal = AbortSignal.any([this.#failed.signal, ...given]);
  }

  static async create(options: TestbedOptions, resources: TestbedResources): Promise<Assembly> {
    const { topology, seed, faultSeed = seed, cores, onUnexpectedExit } = options;
    const { lease, undo, logFolder } = resources;
    const edges = await TestbedEdges.open({
      topology,
      membersOf: (name) => membersOf(name, topology),
      seed: faultSeed,
      cores: cores?.rest ?? null,
      lease,
      undo,
      logFile: path.join(logFolder, 'fault-proxy.log'),
      onUnexpectedExit,
    });
    return new Assembly(options, resources, edges);
  }

  async assemble(): Promise<Testbed> {
    const { topology } = this.#options;
    const { lease } = this.#resources;
    await createTraversableFolder(lease.folder);
    await createPrivateFolder(path.dirname(this.#accountsFile), null);
    await createPrivateFolder(this.#stateDirectory, null);
    const names = Object.keys(topology.nodes);
    const starts = await Promise.allSettled([
      ...names.map((name) => this.#ensureStarted(name)),
      this.#ensureAccounts(),
    ]);
    if (starts.some(({ status }) => status === 'rejected')) throw this.#signal.reason;
    return this.#createTestbed(new Map(names.map((name) => [name, this.#started.get(name)!])));
  }

  /** The first failure aborts all other starts, and only it is reported. */
  async #abortOnFailure<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!this.#failed.signal.aborted) this.#failed.abort(error);
      throw error;
    }
  }

  #ensureStarted(name: string): Promise<RunningNode> {
    const running = this.#starts.get(name) ?? this.#abortOnFailure(() => this.#start(name));
    this.#starts.set(name, running);
    return running;
  }

  async #start(name: string): Promise<RunningNode> {
    const { topology } = this.#options;
    const spec = topology.nodes[name]!;
    const kind = NODE_KINDS.of(spec.kind);
    await Promise.all(
      dependenciesOf(name, topology).map((dependency) => this.#ensureStarted(dependency)),
    );
    // Services must find the accounts when they start.
    if (spec.kind === 'process' && !this.#accountsDependOn(name)) await this.#ensureAccounts();
    this.#signal.throwIfAborted();
    const node = await kind.start(name, spec, this.#contextOf(name));
    this.#started.set(name, node);
    await publishAddress(this.#resources.lease, node);
    await this.#edges.connect(node);
    return node;
  }

  #contextOf(name: string): NodeContext {
    const { runId, topology, seed, cores, onNote, onUnexpectedExit } = this.#options;
    const { env, user, cache, lease, undo } = this.#resources;
    return {
      runId,
      topology,
      seed,
      cores,
      env,
      cache,
      user,
      lease,
      undo,
      signal: this.#signal,
      onNote,
      onUnexpectedExit,
      logFile: (log) => this.#logFile(log),
      stateDirectory: this.#stateDirectory,
      started: this.#started,
      addressesOf: (member) => this.#addressesOf(name, member),
      retarget: (node, url) => this.#edges.retarget(node, url),
    };
  }

  #addressesOf(name: string, member: string): Record<string, Address> {
    const outgoing = this.#options.topology.edges.filter(({ from }) => from === name);
    return Object.fromEntries(
      outgoing.map((edge) => [edge.as!, this.#edges.addressOf(edge, member)]),
    );
  }

  #findJob(role: JobSpec['role']): JobSpec | undefined {
    return this.#options.topology.jobs.find((job) => job.role === role);
  }

  /** True when the accounts job uses this node, directly or through others: it cannot wait for the accounts. */
  #accountsDependOn(name: string): boolean {
    const { topology } = this.#options;
    const isReached = (from: readonly string[]): boolean =>
      from.some((node) => node === name || isReached(dependenciesOf(node, topology)));
    return isReached(Object.values(this.#findJob('accounts')?.uses ?? {}));
  }

  #ensureAccounts(): Promise<void> {
    this.#accounts ??= this.#abortOnFailure(() => this.#makeAccounts());
    return this.#accounts;
  }

  async #makeAccounts(): Promise<void> {
    const job = this.#findJob('accounts');
    if (job === undefined) {
      // Operations need an actor: an account without headers and variables.
      const anonymous = [{ id: '', headers: {}, vars: {} }];
      await writeFile(this.#accountsFile, JSON.stringify(anonymous));
      return;
    }
    await Promise.all(Object.values(job.uses).map((name) => this.#ensureStarted(name)));
    await this.#runJob(job, { outFile: this.#accountsFile });
  }

  async #runJob(job: JobSpec, params: Readonly<Record<string, unknown>>): Promise<void> {
    const { name, module, uses } = job;
    const addresses = Object.entries(uses).map(
      ([as, node]) => [as, ownerAddress(this.#started.get(node)!)] as const,
    );
    await runOneShot({
      spec: { name, module, params: { ...job.params, ...params } },
      config: {
        addresses: Object.fromEntries(addresses),
        seed: this.#options.seed,
        stateDirectory: this.#stateDirectory,
      },
      cores: this.#options.cores?.rest ?? null,
      lease: this.#resources.lease,
      logFile: this.#logFile(name),
      signal: this.#signal,
      limitMs: job.limitMs ?? JOB_LIMIT_MS,
    });
  }

  #logFile(name: string): string {
    return path.join(this.#resources.logFolder, `${name}.log`);
  }

  #clientTargets(nodes: ReadonlyMap<string, RunningNode>): LoadTarget[] {
    const outgoing = this.#options.topology.edges.filter(({ from }) => from === CLIENT);
    return outgoing.flatMap((edge) => {
      const { urls } = this.#edges.addressOf(edge, CLIENT);
      const { name, members } = nodes.get(edge.to)!;
      return urls.map((url, index) => ({ name: members[index]?.name ?? name, url }));
    });
  }

  #createTestbed(nodes: ReadonlyMap<string, RunningNode>): Testbed {
    const { topology, cores } = this.#options;
    const { lease, undo } = this.#resources;
    const { proxyPid } = this.#edges;
    const all = [...nodes.values()];
    const visible = all.flatMap(({ name, pids }) => (pids === null ? [] : [[name, pids] as const]));
    return {
      ...createFaultTargets(topology, nodes, this.#edges),
      topology,
      nodes,
      targets: this.#clientTargets(nodes),
      accountsFile: this.#accountsFile,
      pids: {
        ...Object.fromEntries(visible),
        ...(proxyPid !== null && { proxy: () => [proxyPid] }),
      },
      cores: {
        ...Object.fromEntries(all.map((node) => [node.name, node.cores])),
        ...(proxyPid !== null && { proxy: cores?.rest ?? 'any' }),
      },
      stateDirectory: this.#stateDirectory,
      lease,
      logFile: (name) => this.#logFile(name),
      runJob: async (role, params = {}) => {
        const job = this.#findJob(role);
        if (job !== undefined) await this.#runJob(job, params);
        return job !== undefined;
      },
      stop: () => undo.unwind(),
    };
  }
}

function membersOf(name: string, { nodes }: Topology): readonly string[] {
  const spec = nodes[name]!;
  return NODE_KINDS.of(spec.kind).members(name, spec);
}
