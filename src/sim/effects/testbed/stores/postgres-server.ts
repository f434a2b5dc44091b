/**
 * One PostgreSQL server of our own under a name that outlives its process: a primary on data that it is given, or a
 * standby on a copy of another server's. Which of the two it is may change; the change takes effect at its next start.
 */
import { ControlledProcess } from '../../process/controlled-process.ts';
import { syncDataDirectory } from '../data-directory.ts';
import type { NodeContext } from '../node.ts';
import { type PostgresServer as Launched, startPostgres } from '../postgres.ts';
import type { PostgresBinaries } from '../postgres-binaries.ts';
import { copyForStandby } from './postgres-copy.ts';
import { promote } from './postgres-replication.ts';

const PROMOTE_LIMIT_S = 20;

const STANDBY_SETTINGS: Readonly<Record<string, string>> = {
  // The default of 5 s would be most of the time that a standby takes to come back.
  wal_retrieve_retry_interval: '200ms',
};

type Settings = Readonly<Record<string, string>>;

export interface PostgresServerOptions {
  readonly name: string;
  readonly dataDir: string;
  readonly binaries: PostgresBinaries;
  readonly settings: Settings;
  readonly cores: string | null;
  readonly context: NodeContext;
  /** Starts as its standby, on a copy of its data. Otherwise `dataDir` is there already. */
  readonly primary?: PostgresServer;
}

export class PostgresServer {
  readonly #options: PostgresServerOptions;
  #primary: PostgresServer | null;
  #mustCopy: boolean;
  #process!: ControlledProcess;
  #port = 0;

  private constructor(options: PostgresServerOptions) {
    this.#options = options;
    this.#primary = options.primary ?? null;
    this.#mustCopy = this.#primary !== null;
  }

  /** Resolves when it answers; a standby may not be streaming yet. */
  static async start(options: PostgresServerOptions): Promise<PostgresServer> {
    const server = new PostgresServer(options);
    const { name, context } = options;
    const first = await server.#launch(context.signal);
    server.#port = first.port;
    server.#process = new ControlledProcess({
      name,
      running: first,
      launch: (stopped) => server.#launch(stopped, first.port),
      // Fast shutdown: a SIGTERM waits until the last client has gone, which a pool never does.
      endSignal: 'SIGINT',
      onDeath: context.onDeath,
    });
    context.undo.addServers(name, [{ port: first.port, stop: () => server.#process.stop() }]);
    return server;
  }

  get name(): string {
    return this.#options.name;
  }

  get settings(): Settings {
    return this.#options.settings;
  }

  get binaries(): PostgresBinaries {
    return this.#options.binaries;
  }

  get dataDir(): string {
    return this.#options.dataDir;
  }

  get port(): number {
    return this.#port;
  }

  /** Superuser, database `postgres`, no search_path. */
  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/postgres`;
  }

  get process(): ControlledProcess {
    return this.#process;
  }

  /** True when its data are another history than its primary's, until it has been started again. */
  get mustCopy(): boolean {
    return this.#mustCopy;
  }

  /** From its next start on a standby of `primary`: with `copy` on a copy of its data, as what it has itself is given up. */
  follow(primary: PostgresServer, how: { readonly copy: boolean }): void {
    this.#primary = primary;
    this.#mustCopy ||= how.copy;
  }

  /** Makes a standby a primary; resolves when it takes writes. */
  async promote(): Promise<void> {
    await promote(this.url, PROMOTE_LIMIT_S);
    this.#primary = null;
    this.#mustCopy = false;
  }

  async #launch(signal: AbortSignal | undefined, port?: number): Promise<Launched> {
    const { name, dataDir, binaries, settings, cores, context } = this.#options;
    const { user, lease } = context;
    const primary = this.#primary;
    if (primary !== null && this.#mustCopy) {
      await copyForStandby({ source: primary, dataDir, user, lease });
      // Otherwise the kernel writes the copy back during the measurement; after a restart it is on already.
      if (port === undefined) await syncDataDirectory({ binaries, user, dataDir });
      this.#mustCopy = false;
    }
    signal?.throwIfAborted();
    const following = primary && {
      ...STANDBY_SETTINGS,
      primary_conninfo: `host=127.0.0.1 port=${primary.port} user=postgres application_name='${name}'`,
    };
    return await startPostgres({
      name,
      binaries,
      dataDir,
      settings: { ...following, ...settings },
      cores,
      user,
      lease,
      logFile: context.logFile(name),
      signal,
      ...(port === undefined ? {} : { findPort: async () => port }),
    });
  }
}
