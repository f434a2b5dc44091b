/**
 * Runs a Node module of the platform as a child process, by the rules of process-contract.ts. The IPC channel
 * doubles as a lifeline: when this process dies, the channel closes and the child exits.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import http from 'node:http';
import type { ModuleStep } from '../../topology.ts';
import {
  type Child,
  ChildFailure,
  startChild,
  untilReady,
  within,
} from '../process/child-process.ts';
import type { Lease } from '../process/lease.ts';
import { distModule } from '../process/package-root.ts';
import type { ProcessConfig, ReadyMessage } from './process-contract.ts';

const READY_LIMIT_MS = 20_000;
const ANSWER_LIMIT_MS = 2_000;

export interface ServiceOptions {
  readonly spec: ModuleStep;
  readonly config: Omit<ProcessConfig, 'name' | 'params'>;
  readonly cores: string | null;
  readonly lease: Lease;
  readonly logFile: string;
  readonly signal?: AbortSignal | undefined;
}

export interface ServiceProcess {
  readonly url: string;
  readonly pid: number;
  readonly child: Child;
  /** Resolves when it has answered any HTTP request, whatever the answer says. */
  answers(): Promise<void>;
  stop(): Promise<void>;
}

function launch(options: ServiceOptions): Promise<Child> {
  const { spec } = options;
  const module = distModule(spec.module);
  if (!existsSync(module)) {
    throw new Error(`${spec.name}: ${module} does not exist; build the package first`);
  }
  const config: ProcessConfig = { ...options.config, name: spec.name, params: spec.params ?? {} };
  return startChild({
    name: spec.name,
    command: process.execPath,
    args: ['--enable-source-maps', module],
    env: { ...process.env, PLATFORM_PROCESS: JSON.stringify(config) },
    cwd: process.cwd(),
    logFile: options.logFile,
    user: null,
    cores: options.cores,
    ipc: true,
    lease: options.lease,
    stopSignals: ['SIGTERM'],
  });
}

function isReady(message: unknown): message is ReadyMessage {
  const { type, url } = (message ?? {}) as Partial<ReadyMessage>;
  return type === 'ready' && typeof url === 'string';
}

/** Starts a long-running process and waits for its ready message. */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  const child = await launch(options);
  let url: string | null = null;
  child.process.on('message', (message) => {
    if (isReady(message)) url = message.url;
  });
  try {
    const limits = { limitMs: READY_LIMIT_MS, signal: options.signal };
    const readyUrl = await untilReady(child, async () => url, limits);
    return {
      url: readyUrl,
      pid: child.pid,
      child,
      answers: () => askHttp(readyUrl),
      stop: () => child.stop(),
    };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

async function askHttp(url: string): Promise<void> {
  const request = http.get(url, { agent: false, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.destroy();
}

/** Runs a process to its end. Anything but exit 0 within `limitMs` throws with its last lines. */
export async function runOneShot(options: ServiceOptions & { limitMs: number }): Promise<void> {
  options.signal?.throwIfAborted();
  const child = await launch(options);
  const aborted = new Promise<void>((resolve) => {
    if (options.signal?.aborted) resolve();
    options.signal?.addEventListener('abort', () => resolve(), { once: true });
  });
  const ended = await within(Promise.race([child.exited, aborted]), options.limitMs);
  const inTime = child.isExited();
  await child.stop();
  options.signal?.throwIfAborted();
  const notice = await child.exited;
  if (!ended && !inTime)
    throw new ChildFailure(`did not end in ${options.limitMs / 1_000} s`, notice);
  if (notice.status !== 'exit status 0')
    throw new ChildFailure(`failed (${notice.status})`, notice);
}
