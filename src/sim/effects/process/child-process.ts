/**
 * A child process that cannot be forgotten: in its own process group, in the lease from its first tick, marked in its
 * environment, with its output in a log file, and stopped by a signal, five seconds, then SIGKILL for it and
 * everything it started.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { boundLog } from './bounded-log.ts';
import type { Lease } from './lease.ts';
import { raiseSession } from './priority.ts';
import { descendantsOf, isRunning, type ProcessStamp, sendSignal } from './process-table.ts';
import { markedEnvironment, markedProcesses, markerOf } from './run-marker.ts';
import type { RunUser } from './run-user.ts';

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
  /** Null: the same user as ours. */
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
  /** A program we do not know: what has left its process tree belongs to it, and is killed when it ends. */
  readonly isForeign?: boolean;
}

/** How a child ended when nobody asked it to. */
export interface DeathNotice {
  readonly name: string;
  readonly pid: number;
  /** `exit status 1`, `killed by SIGSEGV`. */
  readonly status: string;
  readonly lastLines: readonly string[];
  readonly logFile: string;
  /** How many processes a foreign program left behind when it ended; they were killed. */
  readonly survivors?: number;
}

/** A child that died, hung or never became ready. */
export class ChildFailure extends Error {
  readonly notice: DeathNotice;

  constructor(what: string, notice: DeathNotice, options?: { cause?: unknown }) {
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
  readonly exited: Promise<DeathNotice>;
  isExited(): boolean;
  /** What it has started, nearest first; of a foreign program also what has left its process tree. */
  family(): ProcessStamp[];
  notice(status: string): DeathNotice;
  /** Idempotent; after it the whole tree is gone or it throws. */
  stop(): Promise<void>;
}

/** The last lines of a log file; empty when there is none. */
export function tailOf(logFile: string): string[] {
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
    return []; // The log is evidence, not a condition.
  }
}

function launch(spec: ChildSpec, marker: string): ChildProcess {
  const [command, args] =
    spec.cores === null
      ? [spec.command, spec.args]
      : ['taskset', ['-c', spec.cores, spec.command, ...spec.args]];
  const log = openSync(spec.logFile, 'a', 0o600);
  try {
    // A file, not a pipe: the child must not stall or break when we are slow or dead.
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

export async function startChild(spec: ChildSpec): Promise<Child> {
  const marker = markerOf(spec.name);
  const child = launch(spec, marker);
  const { pid } = child;
  if (pid === undefined) {
    const cause = await new Promise<Error>((resolve) => child.once('error', resolve));
    throw new Error(`cannot start ${spec.name}: ${cause.message}`, { cause });
  }
  spec.lease.addChild({ pid, name: spec.name });
  raiseSession(pid);
  child.on('error', () => {}); // A failed kill or send; the exit below tells what matters.
  const log = spec.maxLogBytes === undefined ? null : boundLog(spec.logFile, spec.maxLogBytes);
  const marked = () => markedProcesses(spec.lease.folder, marker);
  const notice = (status: string): DeathNotice => ({
    name: spec.name,
    pid,
    status,
    lastLines: tailOf(spec.logFile),
    logFile: spec.logFile,
  });
  let gone = false;
  const exited = new Promise<DeathNotice>((resolve) => {
    child.once('exit', (code, signal) => {
      gone = true;
      const survivors = spec.isForeign ? marked() : [];
      for (const survivor of survivors) sendSignal(survivor.pid, 'SIGKILL');
      log?.close();
      const ended = notice(signal ? `killed by ${signal}` : `exit status ${code}`);
      resolve({ ...ended, survivors: survivors.length });
    });
  });
  let stopping: Promise<void> | null = null;
  const self: Child = {
    name: spec.name,
    pid,
    process: child,
    exited,
    isExited: () => gone,
    family: () => withoutDoubles([...descendantsOf(pid), ...(spec.isForeign ? marked() : [])], pid),
    notice,
    stop: () => {
      stopping ??= stopChild(self, spec, marked);
      return stopping;
    },
  };
  return self;
}

function withoutDoubles(stamps: readonly ProcessStamp[], except: number): ProcessStamp[] {
  const byPid = new Map(stamps.map((stamp) => [stamp.pid, stamp]));
  byPid.delete(except);
  return [...byPid.values()];
}

async function stopChild(
  child: Child,
  spec: ChildSpec,
  marked: () => ProcessStamp[],
): Promise<void> {
  // Noted before the first signal: orphans without the marker could not be found afterwards.
  const family = child.family();
  // A paused process would sleep through every signal but the last.
  for (const { pid } of [...family, child]) sendSignal(pid, 'SIGCONT');
  for (const signal of spec.stopSignals) {
    if (child.isExited()) break;
    sendSignal(child.pid, signal);
    await within(child.exited, spec.killAfterMs ?? KILL_DEADLINE_MS);
  }
  if (!child.isExited()) sendSignal(-child.pid, 'SIGKILL');
  const deadline = performance.now() + KILL_DEADLINE_MS;
  for (;;) {
    // Marked ones anew each time: one may have forked between its listing and its end.
    const orphans = withoutDoubles([...family.filter(isRunning), ...marked()], child.pid);
    if (child.isExited() && orphans.length === 0) break;
    if (performance.now() > deadline) {
      const pids = [child.pid, ...orphans.map((orphan) => orphan.pid)].join(', ');
      throw new Error(`${child.name} does not die: process ${pids}`);
    }
    if (child.isExited()) for (const orphan of orphans) sendSignal(orphan.pid, 'SIGKILL');
    await sleep(5);
  }
  spec.lease.removeChild(child.pid);
}

/** Waits for a promise at most `limitMs`; true when it settled in time. */
export async function within(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      promise.then(() => true),
      sleep(limitMs, false, { signal: timer.signal }).catch(() => false),
    ]);
  } finally {
    timer.abort();
  }
}

/**
 * Polls `probe` until it answers. Ends early when the child dies (ChildFailure) or the run is aborted
 * (the signal's reason), and in any case after `limitMs` (ChildFailure).
 */
export async function untilReady<T>(
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
      const answer = await probe();
      if (answer !== null) return answer;
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
