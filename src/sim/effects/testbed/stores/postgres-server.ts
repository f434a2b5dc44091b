/**
 * A PostgreSQL server whose name outlives its process: a primary on given data, or a standby on a copy of another server's
 * data. The role may change; the change takes effect at its next start.
 */
import { ControlledProcess } from '../../process/controlled-process.ts';
import type { NodeContext } from '../node.ts';
import { syncDataDirectory } from './data-directory.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { copyForStandby } from './postgres-copy.ts';
import { type PostgresProcess, startPostgres } from './postgres-process.ts';
import { promote } from './postgres-replication.ts';

const PROMOTE_LIMIT_S = 20;

const STANDBY_SETTINGS: Readonly<Record<string, string>> = {
  // The default of 5 s would dominate the time a standby takes to reconnect.
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
  /** Starts as its standby, on a copy of its data. Otherwise `dataDir` must exist. */
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
      // Fast shutdown: SIGTERM waits for the last client to disconnect, which a pool never does.
      terminateSignal: 'SIGINT',
      onUnexpectedExit: context.onUnexpectedExit,
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

  /** True when its data diverged from its primary's, until its next start. */
  get mustCopy(): boolean {
    return this.#mustCopy;
  }

  /** From its next start a standby of `primary`; with `copy` on a copy of the primary's data, its own is discarded. */
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

  async #launch(signal: AbortSignal | undefined, port?: number): Promise<PostgresProcess> {
    const { name, dataDir, binaries, settings, cores, context } = this.#options;
    const { user, lease } = context;
    const primary = this.#primary;
    if (primary !== null && this.#mustCopy) {
      await copyForStandby({ source: primary, dataDir, user, lease });
      // Otherwise the kernel would write the copy back during the measurement; at a restart the measurement is under way.
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
