/**
 * The contract between the engine and a child process of the platform. The config is JSON in the environment variable
 * PLATFORM_PROCESS; messages go over Node's IPC channel. A child exits when the channel closes, so that it does not
 * outlive a killed parent. The services declare the same types themselves, because they must not import the engine.
 *
 * long-running: sends {type:'ready', url} when it accepts requests, with operationsUrl if its /metrics has a listener of its
 *               own; SIGTERM drains and exits 0.
 * one-shot:     exits 0 when done; anything else is an error with its stderr as the reason.
 */
import type { Address } from './node.ts';

export interface ProcessConfig {
  readonly name: string;
  /** Where the edges that leave this process lead, by the edge's `as`: `database`, `redis`. */
  readonly addresses: Readonly<Record<string, Address>>;
  readonly seed: number;
  /** A folder with the lifetime of the stores, for files that must survive a process; empty for steps that build data. */
  readonly stateDirectory: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface ReadyMessage {
  readonly type: 'ready';
  /** `http://127.0.0.1:40123` */
  readonly url: string;
  readonly operationsUrl?: string;
}

/** The address of a node that is one server. `namespace` is a schema or a key prefix; see Address. */
export const singleServerAddress = (url: string, namespace = ''): Address => ({
  url,
  urls: [url],
  namespace,
});
