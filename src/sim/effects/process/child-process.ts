/**
 * A child process that is always cleaned up: in its own process group, in the lease in the tick that spawned it, marked
 * in its environment, with its output in a log file. stop() sends a signal, and after five seconds SIGKILL, to it and
 * its descendants.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { boundLog } from './bounded-log.ts';
import { ownEnvironment } from './environment.ts';
import type { Lease } from './lease.ts';
import { raiseSessionPriority } from './priority.ts';
import { descendantsOf, isRunning, type ProcessStamp, sendSignal } from './process-table.ts';
import { markedEnvironment, markedProcesses, nextMarker } from './run-marker.ts';
import type { RunUser } from './run-user.ts';
import { settlesWithin } from './with-timeout.ts';

const KILL_DEADLINE_MS = 5_000;
const TAIL_BYTES = 8_192;
const TAIL_LINES = 20;

export interface ChildSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly logFile: string;
  /** Null: the user of this process. */
  readonly user: RunUser | null;
  /** A `taskset -c` list, or null for any core. */
  readonly cores: string | null;
  readonly ipc?: boolean;
  readonly lease: Lease;
  /** Tried in order, `killAfterMs` each, before SIGKILL. */
  readonly stopSignals: readonly NodeJS.Signals[];
  /** Default 5,000. */
  readonly killAfterMs?: number | undefined;
  /** Above this size the middle of the log is removed; default: the log is not bounded. */
  readonly maxLogBytes?: number;
  /** The user's own program: processes that left its process tree are killed when it ends. */
  readonly isForeign?: boolean;
}

type OwnChildSpec = Pick<
  ChildSpec,
  'name' | 'cwd' | 'logFile' | 'cores' | 'lease' | 'killAfterMs' | 'maxLogBytes'
> & {
  /** Absolute. */
  readonly module: string;
  /** Flags for node itself, for instance `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
  /** Besides what a process of ours inherits. */
  readonly env?: Readonly<Record<string, string>>;
};

/** How a child ended. */
export interface ExitNotice {
  readonly name: string;
  readonly pid: number;
  /** `exit status 1`, `killed by SIGSEGV`. */
  readonly status: string;
  readonly lastLines: readonly string[];
  readonly logFile: string;
  /** How many processes a foreign program left behind when it ended; they were killed. */
  readonly orphans?: number;
}

/** A child that died, hung or never became ready. */
export class ChildFailure extends Error {
  readonly notice: ExitNotice;

  constructor(what: string, notice: ExitNotice, options?: { cause?: unknown }) {
    const evidence = notice.lastLines.length > 0 ? `: ${notice.lastLines.join('\n  ')}` : '';
    super(`${notice.name} ${what}${evidence}\n  log: ${notice.logFile}`, options);
    this.name = 'ChildFailure';
    this.notice = notice;
  }
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly process: ChildProcess;
  /** Resolves when the process is gone, whatever the reason. Never rejects. */
  readonly exited: Promise<ExitNotice>;
  isExited(): boolean;
  /** Its descendants, nearest first; of a foreign program also those that left its process tree. */
  descendants(): ProcessStamp[];
  notice(status: string): ExitNotice;
  /** Idempotent; after it the whole tree is gone or it throws. */
  stop(): Promise<void>;
}

/** The last lines of a log file; empty when there is none. */
export function lastLogLines(logFile: string): string[] {
  try {
    const file = openSync(logFile, 'r');
    try {
      const { size } = fstatSync(file);
      const length = Math.min(size, TAIL_BYTES);
      const buffer = Buffer.alloc(length);
      readSync(file, buffer, 0, length, size - length);
      const lines = buffer.toString('utf8').split('\n');
      return lines.filter((line) => line.trim() !== '').slice(-TAIL_LINES);
    } finally {
      closeSync(file);
    }
  } catch {
    return []; // A missing log must not hide the failure it belongs to.
  }
}

function launch(spec: ChildSpec, marker: string): ChildProcess {
  const [command, args] =
    spec.cores === null
      ? [spec.command, spec.args]
      : ['taskset', ['-c', spec.cores, spec.command, ...spec.args]];
  const log = openSync(spec.logFile, 'a', 0o600);
  try {
    // A file, not a pipe: a pipe would block the child when this process is slow, and break it when this process dies.
    return spawn(command, args, {
      cwd: spec.cwd,
      env: { ...spec.env, ...markedEnvironment(spec.lease.folder, marker) },
      detached: true,
      stdio: spec.ipc ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
      ...(spec.user ?? {}),
    });
  } finally {
    closeSync(log);
  }
}

/** A module of ours, with an IPC channel: the sender, the fault proxy, the services. */
export function startOwnChild({
  module,
  nodeArgs = [],
  env,
  ...spec
}: OwnChildSpec): Promise<Child> {
  return startChild({
    ...spec,
    command: process.execPath,
    args: [...nodeArgs, module],
    env: { ...ownEnvironment(), ...env },
    user: null,
    ipc: true,
    stopSignals: ['SIGTERM'],
  });
}

export async function startChild(spec: ChildSpec): Promise<Child> {
  const marker = nextMarker(spec.name);
  const child = launch(spec, marker);
  const { pid } = child;
  if (pid === undefined) {
    const cause = await new Promise<Error>((resolve) => child.once('error', resolve));
    throw new Error(`cannot start ${spec.name}: ${cause.message}`, { cause });
  }
  spec.lease.addChild({ pid, name: spec.name });
  raiseSessionPriority(pid);
  child.on('error', () => {}); // A failed kill or send; the exit handler below reports the end.
  const log = spec.maxLogBytes === undefined ? null : boundLog(spec.logFile, spec.maxLogBytes);
  const marked = () => markedProcesses(spec.lease.folder, marker);
  const notice = (status: string): ExitNotice => ({
    name: spec.name,
    pid,
    status,
    lastLines: lastLogLines(spec.logFile),
    logFile: spec.logFile,
  });
  let hasExited = false;
  const exited = new Promise<ExitNotice>((resolve) => {
    child.once('exit', (code, signal) => {
      hasExited = true;
      const orphans = spec.isForeign ? marked() : [];
      for (const orphan of orphans) sendSignal(orphan.pid, 'SIGKILL');
      log?.close();
      const ended = notice(signal ? `killed by ${signal}` : `exit status ${code}`);
      resolve({ ...ended, orphans: orphans.length });
    });
  });
  let stopping: Promise<void> | null = null;
  const self: Child = {
    name: spec.name,
    pid,
    process: child,
    exited,
    isExited: () => hasExited,
    descendants: () =>
      uniqueByPid([...descendantsOf(pid), ...(spec.isForeign ? marked() : [])], pid),
    notice,
    stop: () => {
      stopping ??= stopChild(self, spec, marked);
      return stopping;
    },
  };
  return self;
}

function uniqueByPid(stamps: readonly ProcessStamp[], except: number): ProcessStamp[] {
  const byPid = new Map(stamps.map((stamp) => [stamp.pid, stamp]));
  byPid.delete(except);
  return [...byPid.values()];
}

async function stopChild(
  child: Child,
  spec: ChildSpec,
  marked: () => ProcessStamp[],
): Promise<void> {
  // Listed before the first signal: orphans without the marker cannot be found afterwards.
  const descendants = child.descendants();
  // A paused process handles no signal but SIGKILL.
  for (const { pid } of [...descendants, child]) sendSignal(pid, 'SIGCONT');
  for (const signal of spec.stopSignals) {
    if (child.isExited()) break;
    sendSignal(child.pid, signal);
    await settlesWithin(child.exited, spec.killAfterMs ?? KILL_DEADLINE_MS);
  }
  if (!child.isExited()) sendSignal(-child.pid, 'SIGKILL');
  const deadline = performance.now() + KILL_DEADLINE_MS;
  for (;;) {
    // Marked processes are listed again: one may have forked before it ended.
    const orphans = uniqueByPid([...descendants.filter(isRunning), ...marked()], child.pid);
    if (child.isExited() && orphans.length === 0) break;
    if (performance.now() > deadline) {
      const pids = [child.pid, ...orphans.map((orphan) => orphan.pid)].join(', ');
      throw new Error(`${child.name} does not end: process ${pids}`);
    }
    if (child.isExited()) for (const orphan of orphans) sendSignal(orphan.pid, 'SIGKILL');
    await sleep(5);
  }
  spec.lease.removeChild(child.pid);
}

/**
 * Polls `probe` until it returns a value. Rejects when the child ends (ChildFailure), when the run is aborted (the
 * signal's reason), and after `limitMs` (ChildFailure).
 */
export async function waitUntilReady<T>(
  child: Child,
  probe: () => Promise<T | null>,
  options: { limitMs: number; signal?: AbortSignal | undefined },
): Promise<T> {
  const deadline = performance.now() + options.limitMs;
  let lastError: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    if (child.isExited()) {
      const notice = await child.exited;
      throw new ChildFailure(`ended before it was ready (${notice.status})`, notice);
    }
    try {
      const value = await probe();
      if (value !== null) return value;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > deadline) {
      const what = `was not ready after ${options.limitMs / 1_000} s`;
      throw new ChildFailure(what, child.notice('running'), { cause: lastError });
    }
    await sleep(15);
  }
}
