/**
 * The gateway's side of the sequencer process, which takes 15 us of CPU per event off the thread that answers
 * requests. It starts with the gateway, is restarted with a growing delay when it exits, and is killed when its
 * heartbeats stop. It stays in the gateway's process group, so that a signal to the group ends both.
 */
import { type ChildProcess, fork } from 'node:child_process';
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditObserver } from '../contract.ts';
import type { Sequencer } from './sequencer.ts';
import type { SequencerCommand, SequencerStart, SequencerStatus } from './sequencer-protocol.ts';
import { deserializeError } from './sequencer-status.ts';

/** Requests come first. Beside a busy thread this leaves a quarter of a core: 15,000 events/s, the peak of all designs. */
const NICENESS = 5;
const backoffMs = { min: 100, max: 10_000 };
/** After this uptime the restart delay and the reported reason are reset. */
const STABLE_AFTER_MS = 30_000;
const DEFAULT_HEARTBEAT_MS = 1_000;
/** A start on a busy machine takes a few heartbeats. */
const MAX_MISSED_HEARTBEATS = 15;
/** The sequencer itself takes at most 2 s to close. */
const CLOSE_TIMEOUT_MS = 3_000;
const KILL_TIMEOUT_MS = 1_000;

export interface SequencerProcess extends Sequencer {
  /** Undefined while it is not running. */
  pid(): number | undefined;
}

export function createSequencerProcess(given: {
  /** Path of the compiled entry point. */
  readonly module: string;
  readonly start: SequencerStart;
  readonly observer: Pick<AuditObserver, 'onSequenced'>;
  readonly report: (error: Error) => void;
  /** Default: a second. */
  readonly heartbeatMs?: number;
}): SequencerProcess {
  const { observer, report } = given;
  const heartbeatMs = given.heartbeatMs ?? DEFAULT_HEARTBEAT_MS;
  let child: ChildProcess | null = null;
  let isClosing = false;
  let restartDelayMs = backoffMs.min;
  let restartTimer: NodeJS.Timeout | undefined;
  // A process that exits at every start is reported once.
  let lastReported = '';

  const onStatus = ({ sequenced, errors }: SequencerStatus) => {
    if (sequenced) observer.onSequenced(sequenced.records, sequenced.oldestSeconds);
    for (const error of errors) report(deserializeError(error));
  };

  const onExit = (reason: string, uptimeMs: number) => {
    child = null;
    if (isClosing) return;
    if (uptimeMs >= STABLE_AFTER_MS) {
      restartDelayMs = backoffMs.min;
      lastReported = '';
    }
    if (reason !== lastReported) report(new Error(`the audit sequencer process ended: ${reason}`));
    lastReported = reason;
    restartTimer = setTimeout(start, restartDelayMs);
    restartTimer.unref();
    restartDelayMs = Math.min(2 * restartDelayMs, backoffMs.max);
  };

  const start = () => {
    const startedMs = performance.now();
    try {
      child = forkSequencer(given.module, {
        command: { kind: 'start', heartbeatMs, ...given.start },
        heartbeatMs,
        onStatus,
        onExit: (reason) => onExit(reason, performance.now() - startedMs),
      });
    } catch (error) {
      onExit((error as Error).message, 0);
    }
  };

  return {
    start,
    async close() {
      isClosing = true;
      clearTimeout(restartTimer);
      if (child) await stop(child);
    },
    isRunning: () => child?.pid !== undefined,
    pid: () => child?.pid,
  };
}

/** Calls `onExit` once. Throws when the system cannot start another process. */
function forkSequencer(
  module: string,
  given: {
    command: SequencerCommand;
    heartbeatMs: number;
    onStatus: (status: SequencerStatus) => void;
    onExit: (reason: string) => void;
  },
): ChildProcess {
  const child = fork(module, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Options of a profiler or an inspector are for the parent alone.
    execArgv: [],
  });
  // Set before the process starts other threads: they inherit the priority.
  if (child.pid !== undefined) lowerPriority(child.pid);
  let killReason = '';
  const kill = (reason: string) => {
    killReason ||= reason;
    child.kill('SIGKILL');
  };
  // Timer ticks are counted, not time: a gateway that was itself stopped received no heartbeats meanwhile.
  let missedHeartbeats = 0;
  const watchdog = setInterval(() => {
    missedHeartbeats += 1;
    if (missedHeartbeats >= MAX_MISSED_HEARTBEATS)
      kill(`no heartbeat for ${(MAX_MISSED_HEARTBEATS * given.heartbeatMs) / 1_000} s`);
  }, given.heartbeatMs);
  watchdog.unref();
  const finish = (reason: string) => {
    clearInterval(watchdog);
    given.onExit(reason);
  };
  child.on('message', (status: SequencerStatus) => {
    missedHeartbeats = 0;
    given.onStatus(status);
  });
  child.on('error', (error) => {
    // Without a pid it never ran, and no exit follows. Otherwise a message could not be sent, and the exit follows.
    if (child.pid === undefined) finish(error.message);
    else kill(error.message);
  });
  child.once('exit', (code, signal) => finish(killReason || (signal ?? `exit status ${code}`)));
  // A process that could not be started has no channel; its error event follows.
  if (child.connected)
    child.send(given.command, (error) => {
      if (error) kill(error.message);
    });
  // Must not keep the gateway's event loop alive.
  child.unref();
  child.channel?.unref();
  return child;
}

function lowerPriority(pid: number): void {
  try {
    os.setPriority(pid, Math.max(os.getPriority(), NICENESS));
  } catch {
    // The process has already exited; the exit event follows.
  }
}

/** Resolves when the process has exited, at the latest after both timeouts. */
async function stop(child: ChildProcess): Promise<void> {
  const stopped = new AbortController();
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = () => child.kill('SIGKILL');
  const command: SequencerCommand = { kind: 'close' };
  child.send(command, (error) => {
    if (error) kill();
  });
  // These timers keep the gateway alive meanwhile; the child does not.
  const killAfterTimeout = async () => {
    await delay(CLOSE_TIMEOUT_MS, undefined, { signal: stopped.signal });
    kill();
    await delay(KILL_TIMEOUT_MS, undefined, { signal: stopped.signal });
  };
  await Promise.race([exited, killAfterTimeout().catch(() => {})]);
  stopped.abort();
}
