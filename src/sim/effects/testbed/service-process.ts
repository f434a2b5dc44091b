/**
 * Runs a Node module of the platform as a child process, by the contract in process-contract.ts. When this process dies,
 * the IPC channel closes and the child exits.
 */
import { existsSync } from 'node:fs';
import type { ModuleStep, ReadySign } from '../../topology.ts';
import {
  type Child,
  ChildFailure,
  startOwnChild,
  waitUntilReady,
} from '../process/child-process.ts';
import type { Lease } from '../process/lease.ts';
import { distModule } from '../process/package-root.ts';
import { settlesWithin } from '../process/with-timeout.ts';
import type { ProcessConfig, ReadyMessage } from './process-contract.ts';
import { createReadinessProbe, getStatus } from './start/readiness-probe.ts';

export const READY_LIMIT_MS = 20_000;

export interface ServiceOptions {
  readonly spec: ModuleStep;
  readonly config: Omit<ProcessConfig, 'name' | 'params'>;
  readonly cores: string | null;
  readonly lease: Lease;
  readonly logFile: string;
  readonly signal?: AbortSignal | undefined;
  /** From SIGTERM to SIGKILL; default 5,000. */
  readonly killAfterMs?: number | undefined;
  readonly maxLogBytes?: number;
}

export interface ReadyOptions {
  /** What shows that it is ready; default: its ready message. Any other sign needs `params.port`. */
  readonly ready?: ReadySign | undefined;
  /** Default 20,000. */
  readonly readyWithinMs?: number | undefined;
}

export interface ServiceProcess {
  readonly url: string;
  /** Where its /metrics is; default: at its url. */
  readonly metricsUrl?: string;
  readonly pid: number;
  readonly child: Child;
  /** Resolves when it has answered an HTTP request, with any status. */
  ping(): Promise<void>;
  stop(): Promise<void>;
}

function launch(options: ServiceOptions): Promise<Child> {
  const { spec } = options;
  const module = distModule(spec.module);
  if (!existsSync(module)) {
    throw new Error(`${spec.name}: ${module} does not exist; build the package first`);
  }
  const config: ProcessConfig = { ...options.config, name: spec.name, params: spec.params ?? {} };
  return startOwnChild({
    name: spec.name,
    module,
    nodeArgs: ['--enable-source-maps'],
    env: { PLATFORM_PROCESS: JSON.stringify(config) },
    cwd: process.cwd(),
    logFile: options.logFile,
    cores: options.cores,
    lease: options.lease,
    killAfterMs: options.killAfterMs,
    ...(options.maxLogBytes !== undefined && { maxLogBytes: options.maxLogBytes }),
  });
}

function isReady(message: unknown): message is ReadyMessage {
  const { type, url } = (message ?? {}) as Partial<ReadyMessage>;
  return type === 'ready' && typeof url === 'string';
}

/** Starts a long-running process and waits for its ready sign. */
export async function startService(
  options: ServiceOptions & ReadyOptions,
): Promise<ServiceProcess> {
  const readinessProbe = readinessProbeOf(options);
  const child = await launch(options);
  let url: string | null = null;
  let metricsUrl: string | undefined;
  child.process.on('message', (message) => {
    if (!isReady(message)) return;
    url = message.url;
    metricsUrl = message.operationsUrl;
  });
  try {
    const limits = { limitMs: options.readyWithinMs ?? READY_LIMIT_MS, signal: options.signal };
    const probe = async () =>
      readinessProbe === null ? url : await readinessProbe.ready().then(() => readinessProbe.url);
    const readyUrl = await waitUntilReady(child, probe, limits);
    return {
      url: readyUrl,
      ...(metricsUrl !== undefined && { metricsUrl }),
      pid: child.pid,
      child,
      ping: readinessProbe?.ping ?? (async () => void (await getStatus(readyUrl))),
      stop: () => child.stop(),
    };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** Null when the ready message, which also has the address, is the sign. */
function readinessProbeOf({ ready, spec, logFile }: ServiceOptions & ReadyOptions) {
  if (ready === undefined || 'message' in ready) return null;
  const port = Number(spec.params?.port);
  return { ...createReadinessProbe(ready, port, logFile), url: `http://127.0.0.1:${port}` };
}

/** Runs a process to its end. Throws, with its last lines, unless it exits with 0 within `limitMs`. */
export async function runOneShot(options: ServiceOptions & { limitMs: number }): Promise<void> {
  options.signal?.throwIfAborted();
  const child = await launch(options);
  const aborted = new Promise<void>((resolve) => {
    if (options.signal?.aborted) resolve();
    options.signal?.addEventListener('abort', () => resolve(), { once: true });
  });
  const ended = await settlesWithin(Promise.race([child.exited, aborted]), options.limitMs);
  const hasExited = child.isExited();
  await child.stop();
  options.signal?.throwIfAborted();
  const notice = await child.exited;
  if (!ended && !hasExited)
    throw new ChildFailure(`did not end in ${options.limitMs / 1_000} s`, notice);
  if (notice.status !== 'exit status 0')
    throw new ChildFailure(`failed (${notice.status})`, notice);
}
