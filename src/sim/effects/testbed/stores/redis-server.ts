/**
 * A Redis server whose name outlives its process, in a folder of its own. Its primary may change; the change takes effect
 * at its next start.
 */
import path from 'node:path';
import { createPrivateFolder } from '../../process/cache.ts';
import { ControlledProcess } from '../../process/controlled-process.ts';
import { freePortPair } from '../../process/free-port.ts';
import type { NodeContext } from '../node.ts';
import { withRedis } from './redis-client.ts';
import { startRedis } from './redis-process.ts';

/** The cluster bus port is this much above the client port: the default of every version. */
const BUS_OFFSET = 10_000;
const COMMAND_LIMIT_MS = 5_000;

/** The primary sends its data at once; by default it waits for further replicas. */
const REPLICATION_DIRECTIVES: readonly string[] = ['--repl-diskless-sync-delay', '0'];

export interface RedisServerOptions {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  /** The same for all servers of a node. */
  readonly password: string;
  readonly context: NodeContext;
  readonly signal?: AbortSignal | undefined;
  /** Starts as a node of a cluster. */
  readonly isClustered?: boolean;
}

/** Settings as command-line arguments; a value may be several words. */
function directivesOf(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => [
    `--${name}`,
    ...value.trim().split(/\s+/),
  ]);
}

export class RedisServer {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  /** `redis 7.0.15`. */
  readonly version: string;
  readonly process: ControlledProcess;
  readonly #primary: { port: number | null };

  private constructor(
    parts: Pick<RedisServer, 'name' | 'port' | 'url' | 'version' | 'process'>,
    primary: { port: number | null },
  ) {
    this.name = parts.name;
    this.port = parts.port;
    this.url = parts.url;
    this.version = parts.version;
    this.process = parts.process;
    this.#primary = primary;
  }

  /** Resolves when it answers commands. */
  static async start(options: RedisServerOptions): Promise<RedisServer> {
    const { name, context, isClustered, password } = options;
    const { lease, user, env, onUnexpectedExit } = context;
    const folder = path.join(lease.folder, `redis-${name}`);
    await createPrivateFolder(folder, user);
    const primary: { port: number | null } = { port: null };
    const launch = (signal: AbortSignal | undefined, findPort?: () => Promise<number>) =>
      startRedis({
        name,
        lease,
        password,
        user,
        env,
        cores: context.cores?.rest ?? null,
        logFile: context.logFile(name),
        folder,
        signal,
        directives: [
          ...REPLICATION_DIRECTIVES,
          ...(isClustered ? CLUSTER_DIRECTIVES : []),
          ...directivesOf(options.settings),
          ...(primary.port === null ? [] : ['--replicaof', '127.0.0.1', `${primary.port}`]),
        ],
        ...(findPort && { findPort }),
      });
    const findPair = isClustered ? () => freePortPair(BUS_OFFSET) : undefined;
    const firstProcess = await launch(options.signal, findPair);
    const { port, url, version } = firstProcess;
    const process = new ControlledProcess({
      name,
      running: firstProcess,
      launch: (signal) => launch(signal, async () => port),
      onUnexpectedExit,
    });
    const stop = () => process.stop();
    const ports = [port, ...(isClustered ? [port + BUS_OFFSET] : [])];
    context.undo.addServers(
      name,
      ports.map((serverPort) => ({ port: serverPort, stop })),
    );
    return new RedisServer({ name, port, url, version, process }, primary);
  }

  /** Makes it a replica of `primary` at its next start. */
  follow(primary: RedisServer): void {
    this.#primary.port = primary.port;
  }

  /** Makes it a replica of `primary` at once, and at its next start. */
  async replicate(primary: RedisServer): Promise<void> {
    await withRedis(this.url, COMMAND_LIMIT_MS, (redis) =>
      redis.replicaof('127.0.0.1', primary.port),
    );
    this.follow(primary);
  }

  /** Makes a replica a primary; resolves when it takes writes. */
  async promote(): Promise<void> {
    await withRedis(this.url, COMMAND_LIMIT_MS, (redis) => redis.replicaof('NO', 'ONE'));
    this.#primary.port = null;
  }
}

/** Shorter than the default of 15 s, longer than any pause of a busy machine. */
const NODE_TIMEOUT_MS = 1_500;

const CLUSTER_DIRECTIVES: readonly string[] = [
  '--cluster-enabled',
  'yes',
  '--cluster-config-file',
  'nodes.conf',
  '--cluster-node-timeout',
  `${NODE_TIMEOUT_MS}`,
];
