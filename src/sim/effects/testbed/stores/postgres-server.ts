/**
 * A PostgreSQL server whose name outlives its process: a primary on given data, or a standby on a copy of another server's
 * data. The role may change; the change takes effect at its next start.
 */
import path from 'node:path';
import { createPrivateFolder, writePrivateFile } from '../../process/cache.ts';
import { ControlledProcess } from '../../process/controlled-process.ts';
import type { NodeContext } from '../node.ts';
import { newPassword, withLogin } from './credentials.ts';
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
  /**
   * Starts as a standby of this server, on a copy of its data, or as a primary on `dataDir`, whose password is replaced
   * by a fresh one.
   */
  readonly from: { readonly primary: PostgresServer } | { readonly replacedPassword: string };
}

export class PostgresServer {
  readonly #options: PostgresServerOptions;
  /** The same for a primary and its standbys, which copy it. */
  readonly #password: string;
  #primary: PostgresServer | null;
  #mustCopy: boolean;
  #process!: ControlledProcess;
  #port = 0;

  private constructor(options: PostgresServerOptions) {
    this.#options = options;
    this.#primary = 'primary' in options.from ? options.from.primary : null;
    this.#password = this.#primary === null ? newPassword() : this.#primary.#password;
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
    const login = { role: 'postgres', password: this.#password };
    return withLogin(`postgres://127.0.0.1:${this.#port}/postgres`, login);
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
    const { name, dataDir, binaries, settings, cores, context, from } = this.#options;
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
      primary_conninfo: await this.#connectionTo(primary),
    };
    return await startPostgres({
      name,
      binaries,
      dataDir,
      password: this.#password,
      // Of the first start only.
      replacedPassword:
        port === undefined && 'replacedPassword' in from ? from.replacedPassword : undefined,
      settings: { ...standbySettings, ...settings },
      cores,
      user,
      lease,
      logFile: context.logFile(name),
      signal,
      ...(port === undefined ? {} : { findPort: async () => port }),
    });
  }

  /** Settings are arguments, which every local account can read: the password is in a file. */
  async #connectionTo(primary: PostgresServer): Promise<string> {
    const { name, context } = this.#options;
    const folder = path.join(context.lease.folder, `secrets-${name}`);
    await createPrivateFolder(folder, context.user);
    const passFile = path.join(folder, 'pgpass');
    const line = `127.0.0.1:*:*:postgres:${this.#password}\n`;
    await writePrivateFile(passFile, line, context.user);
    const quoted = passFile.replace(/['\\]/g, '\\$&');
    return `host=127.0.0.1 port=${primary.port} user=postgres passfile='${quoted}' application_name='${name}'`;
  }
}
