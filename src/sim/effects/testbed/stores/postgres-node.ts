/** Starts a node of kind `postgres`: the operator's server, a server of the run, or a standby of one. */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { WorkCounter } from '../../../pure/measure/costs.ts';
import type { ModuleStep, PostgresSpec } from '../../../topology.ts';
import { readPostgres } from '../../observe/work-counters.ts';
import type { ControlSignal } from '../../process/controlled-process.ts';
import { parseCoreList } from '../../process/pin-plan.ts';
import { childrenOf } from '../../process/process-table.ts';
import { OWNER_ROLE, openLogins, rolesOf } from '../logins.ts';
import type { Address, Member, NodeCapabilities, NodeContext, RunningNode } from '../node.ts';
import { memberOf } from '../nodes/member.ts';
import { runOneShot } from '../service-process.ts';
import { provideTemplate, stepConfig, TEMPLATE_SCHEMA } from '../templates/template-build.ts';
import { copyTemplate } from '../templates/template-store.ts';
import type { Login } from './credentials.ts';
import { readPassword, syncDataDirectory } from './data-directory.ts';
import { claimPostgres } from './external.ts';
import { signalBackend } from './postgres-backend.ts';
import { preparePostgres } from './postgres-binaries.ts';
import { delayReplay, isInRecovery, isStreaming, readLag } from './postgres-replication.ts';
import { PostgresServer } from './postgres-server.ts';
import { PrimaryGroup, type ReplicationStrategy } from './primary-group.ts';
import { withSearchPath } from './search-path.ts';
import { noteServerNotUsed } from './server-not-used-note.ts';
import { standbysOf } from './standbys.ts';

const STEP_LIMIT_MS = 120_000;

/**
 * A standby that was down can catch up by streaming this much WAL of its primary; after more it needs a copy of the
 * data.
 */
const KEEP_WAL: Readonly<Record<string, string>> = { wal_keep_size: '1GB' };

export async function startPostgresNode(
  name: string,
  spec: PostgresSpec,
  context: NodeContext,
): Promise<RunningNode> {
  const { DATABASE_URL: url } = context.env;
  if (url && spec.replaceable === true) return await claimNode(name, spec, url, context);
  noteServerNotUsed('DATABASE_URL', name, spec, context);
  if (spec.standbyOf !== undefined) return await startStandby(name, spec, spec.standbyOf, context);
  return await startPrimary(name, spec, context);
}

/** A node whose server the run started itself. */
export class PostgresNode implements RunningNode {
  readonly kind = 'postgres';
  readonly name: string;
  readonly region: string;
  readonly version: string;
  readonly members: readonly Member[];
  readonly cores: string;
  readonly coreCount: number;
  readonly capabilities: NodeCapabilities;
  readonly group: PrimaryGroup<PostgresServer>;
  readonly server: PostgresServer;
  readonly logins: ReadonlyMap<string, Login>;
  readonly #isStandby: boolean;

  constructor(options: {
    readonly server: PostgresServer;
    readonly group: PrimaryGroup<PostgresServer>;
    readonly logins: ReadonlyMap<string, Login>;
    readonly spec: PostgresSpec;
    readonly cores: string | null;
    readonly capabilities: NodeCapabilities;
  }) {
    const { server, group, spec, cores } = options;
    this.name = server.name;
    this.region = spec.region ?? 'local';
    this.version = `PostgreSQL ${server.binaries.version}`;
    this.server = server;
    this.logins = options.logins;
    this.group = group;
    this.members = [memberOf(server.process, server.url, () => group.isInRole(server))];
    this.cores = cores ?? 'any';
    this.coreCount = cores === null ? availableParallelism() : parseCoreList(cores).length;
    this.capabilities = {
      ...options.capabilities,
      signalBackend: (signal) => this.#signalBackend(signal),
    };
    this.#isStandby = spec.standbyOf !== undefined;
  }

  /** Of a primary's node: the server that takes writes, after a failover another one. */
  get address(): Address {
    return addressOf(this.#isStandby ? this.server : this.group.current);
  }

  readonly pids = (): number[] => this.server.process.pids();

  readWork(): Promise<readonly WorkCounter[]> {
    return readWorkCounters(this.server.url);
  }

  async #signalBackend(signal: ControlSignal): Promise<string> {
    const [member] = this.members;
    // SIGCONT goes to all backends: a running one ignores it.
    if (signal === 'SIGCONT') return await member!.signal(signal);
    return await signalBackend(this.server.url, signal);
  }
}

function addressOf(server: PostgresServer): Address {
  const url = withSearchPath(server.url, TEMPLATE_SCHEMA);
  return { url, urls: [url], namespace: TEMPLATE_SCHEMA };
}

/** Values are null when the server cannot be read: a cost that was not measured is not judged. */
async function readWorkCounters(url: string): Promise<WorkCounter[]> {
  const counters = await readPostgres(url).catch(() => null);
  return [
    {
      id: 'statements',
      label: 'SQL statements',
      unit: 'count',
      value: counters?.statements ?? null,
    },
    counters?.isStandby
      ? { id: 'walReceivedBytes', label: 'WAL received', unit: 'bytes', value: counters.walBytes }
      : { id: 'walBytes', label: 'WAL written', unit: 'bytes', value: counters?.walBytes ?? null },
  ];
}

const streamingReplication = (
  redirectEdges: (promoted: PostgresServer) => Promise<void>,
): ReplicationStrategy<PostgresServer> => ({
  redirectEdges,
  isPrimary: async ({ url }) => !(await isInRecovery(url)),
  isFollowing: ({ url }, { port }) => isStreaming(url, port),
  promote: (successor) => successor.promote(),
  // WAL that it did not send diverges from the new primary's: it then needs a copy of the data.
  follow: (server, primary, { mayHaveDiverged }) =>
    server.follow(primary, { copy: mayHaveDiverged }),
  isStale: (server) => server.mustCopy,
});

const dataDirOf = (name: string, context: NodeContext): string =>
  path.join(context.lease.folder, `data-${name}`);

async function startPrimary(
  name: string,
  spec: PostgresSpec,
  context: NodeContext,
): Promise<RunningNode> {
  const { cache, lease, user, signal } = context;
  const binaries = await preparePostgres(cache);
  const roles = rolesOf(name, context.topology);
  const template = await provideTemplate({
    cache,
    binaries,
    user,
    lease,
    steps: spec.template ?? [],
    roles,
    seed: context.seed,
    logsFolder: path.dirname(context.logFile(name)),
    signal,
    onNote: context.onNote,
  });
  signal?.throwIfAborted();
  const dataDir = dataDirOf(name, context);
  await copyTemplate(template, dataDir, lease);
  // Otherwise the kernel writes the copy back during the first seconds of the measurement.
  await syncDataDirectory({ binaries, user, dataDir });
  const hasStandby = standbysOf(name, context.topology).length > 0;
  const cores = context.cores?.postgres ?? null;
  const server = await PostgresServer.start({
    name,
    dataDir,
    binaries,
    settings: { ...(hasStandby ? KEEP_WAL : {}), ...spec.settings },
    cores,
    context,
    from: { replacedPassword: await readPassword(template.dataDir) },
  });
  const logins = await openLogins(server.url, [OWNER_ROLE, ...roles]);
  const redirectEdges = (promoted: PostgresServer) =>
    context.retarget(name, addressOf(promoted).url);
  const group = new PrimaryGroup(server, streamingReplication(redirectEdges));
  const capabilities = hasStandby ? { failover: group.failover } : {};
  return new PostgresNode({ server, group, logins, spec, cores, capabilities });
}

async function startStandby(
  name: string,
  spec: PostgresSpec,
  primaryName: string,
  context: NodeContext,
): Promise<RunningNode> {
  const primary = context.started.get(primaryName);
  if (!(primary instanceof PostgresNode)) {
    throw new Error(`${name} is a standby of ${primaryName}, which is not a server of this run`);
  }
  const { server: source, group, logins } = primary;
  // Not the primary's core: replay must not disturb the measurement.
  const cores = context.cores?.rest ?? null;
  const server = await PostgresServer.start({
    name,
    dataDir: dataDirOf(name, context),
    binaries: source.binaries,
    // Recovery refuses a standby with less than its primary's connections or locks.
    settings: { ...source.settings, ...spec.settings },
    cores,
    context,
    from: { primary: source },
  });
  await group.join(server, context.signal);
  const replication = {
    lag: () => readLag(server.url, group.current.url),
    delay: (delayMs: number) => delayReplay(server.url, delayMs),
  };
  return new PostgresNode({ server, group, logins, spec, cores, capabilities: { replication } });
}

async function claimNode(
  name: string,
  spec: PostgresSpec,
  url: string,
  context: NodeContext,
): Promise<RunningNode> {
  const { lease, undo, onNote } = context;
  const steps = spec.template ?? [];
  if (rolesOf(name, context.topology).length > 0)
    onNote(
      "DATABASE_URL: no roles are created on a server that is not the run's, so the processes log in as its user, who owns the tables and can change the audit log",
    );
  const claimed = await claimPostgres(url, lease);
  undo.add('the schema in DATABASE_URL', claimed.drop);
  if (claimed.chosenHost !== null)
    onNote(`DATABASE_URL: of its hosts, ${claimed.chosenHost} is used`);
  const settings = Object.keys(spec.settings ?? {});
  if (settings.length > 0) onNote(`DATABASE_URL keeps its own settings of ${settings.join(', ')}`);
  if (steps.length > 0) onNote('DATABASE_URL: the data is built anew in this run');
  for (const step of steps) await runStep(step, claimed, context);
  const { postmasterPid } = claimed;
  return {
    name,
    kind: 'postgres',
    region: spec.region ?? 'local',
    version: `PostgreSQL ${claimed.version}`,
    members: [],
    address: { url: claimed.url, urls: [claimed.url], namespace: claimed.schema },
    pids: postmasterPid === null ? null : () => [postmasterPid, ...childrenOf(postmasterPid)],
    cores: 'any',
    coreCount: availableParallelism(),
    capabilities: {},
    readWork: () => readWorkCounters(claimed.url),
  };
}

async function runStep(
  spec: ModuleStep,
  database: { readonly url: string; readonly schema: string },
  context: NodeContext,
): Promise<void> {
  await runOneShot({
    spec,
    config: stepConfig(database.url, database.schema, context.seed),
    cores: context.cores?.rest ?? null,
    lease: context.lease,
    logFile: context.logFile(spec.name),
    signal: context.signal,
    limitMs: STEP_LIMIT_MS,
  });
}
