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
  /** Starts as a standby of this server, on a copy of its data. Without it `dataDir` must exist. */
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

  /** Resolves when it answers queries; a standby may not be streaming yet. */
  static async start(options: PostgresServerOptions): Promise<PostgresServer> {
    const server = new PostgresServer(options);
    const { name, context } = options;
    const firstProcess = await server.#launch(context.signal);
    const { port } = firstProcess;
    server.#port = port;
    server.#process = new ControlledProcess({
      name,
      running: firstProcess,
      launch: (signal) => server.#launch(signal, port),
      // Fast shutdown: SIGTERM waits for the last client to disconnect, which a pool never does.
      terminateSignal: 'SIGINT',
      onUnexpectedExit: context.onUnexpectedExit,
    });
    context.undo.addServers(name, [{ port, stop: () => server.#process.stop() }]);
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

  /** True until its next start, if that must copy the primary's data: its own is missing or may have diverged. */
  get mustCopy(): boolean {
    return this.#mustCopy;
  }

  /**
   * Makes it a standby of `primary` at its next start. With `copy` it discards its data for a copy of the primary's.
   */
  follow(primary: PostgresServer, options: { readonly copy: boolean }): void {
    this.#primary = primary;
    this.#mustCopy ||= options.copy;
  }

  /** Makes a standby a primary; resolves when it takes writes. */
  async promote(): Promise<void> {
    await promote(this.url, PROMOTE_LIMIT_S);
    this.#primary = null;
    this.#mustCopy = false;
  }

  /** `port`: of a restart. */
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
    const standbySettings = primary && {
      ...STANDBY_SETTINGS,
      primary_conninfo: `host=127.0.0.1 port=${primary.port} user=postgres application_name='${name}'`,
    };
    return await startPostgres({
      name,
      binaries,
      dataDir,
      settings: { ...standbySettings, ...settings },
      cores,
      user,
      lease,
      logFile: context.logFile(name),
      signal,
      ...(port === undefined ? {} : { findPort: async () => port }),
    });
  }
}
