/**
 * How the engine and a child process of the platform talk. The config arrives as JSON in the environment
 * variable PLATFORM_PROCESS; messages go over Node's IPC channel. A child exits when the channel closes, so
 * that nothing outlives a killed parent. The services declare the same shape themselves (walls).
 *
 * long-running: sends {type:'ready', url} when it accepts requests; SIGTERM drains and exits 0.
 * one-shot:     exits 0 when done; anything else is an error with its stderr as the reason.
 */
export interface ProcessConfig {
  readonly name: string;
  readonly databaseUrl: string;
  /** Schema that holds the platform's tables; already the connection's search_path in databaseUrl. */
  readonly databaseSchema: string;
  readonly redisUrl: string;
  /** Prefix of every key, with its separator: `ps:k3v9:`. */
  readonly redisPrefix: string;
  readonly seed: number;
  /** A folder outside the stores that lives as long as they do, for what must survive a process; empty for steps that build data. */
  readonly stateDirectory: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface ReadyMessage {
  readonly type: 'ready';
  /** `http://127.0.0.1:40123` */
  readonly url: string;
}
