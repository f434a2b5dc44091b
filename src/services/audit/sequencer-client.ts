/**
 * The gateway's side of the process that chains for it: the sequencer's work, 15 us of CPU for each event, without the
 * thread that answers requests. Started with the gateway, started again after it died, a little later each time, and
 * killed when it stands still. It is no session of its own: what ends the gateway's process group ends it as well.
 */
import { type ChildProcess, fork } from 'node:child_process';
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditObserver } from './contract.ts';
import type { Sequencer } from './sequencer.ts';
import { errorOf } from './sequencer-news.ts';
import type { SequencerNews, SequencerOrder, SequencerStart } from './sequencer-protocol.ts';

/** Requests come first. Beside a thread that never rests it gets a quarter of the core: 15,000 events/s, all there are. */
const nice = 5;
const backoffMs = { first: 100, most: 10_000 };
/** One that lived this long was well. */
const steadyMs = 30_000;
const beatMs = 1_000;
/** It says something with every beat. A start on a busy machine takes some of them. */
const silentBeats = 15;
/** The sequencer takes 2 s at most to close. */
const closeLimitMs = 3_000;
const killLimitMs = 1_000;

export interface SequencerProcess extends Sequencer {
  /** For tests and operators; undefined when it is not running. */
  pid(): number | undefined;
}

export function createSequencerProcess(given: {
  /** The compiled entry of the process. */
  readonly module: string;
  readonly start: SequencerStart;
  readonly observer: Pick<AuditObserver, 'sequenced'>;
  readonly report: (error: Error) => void;
  /** For tests; default: a second. */
  readonly beatMs?: number;
}): SequencerProcess {
  const { observer, report } = given;
  const everyMs = given.beatMs ?? beatMs;
  let child: ChildProcess | null = null;
  let isClosing = false;
  let pauseMs = backoffMs.first;
  let again: NodeJS.Timeout | undefined;
  // One that dies at every start is one message.
  let told = '';

  const hear = ({ sequenced, errors }: SequencerNews) => {
    if (sequenced) observer.sequenced(sequenced.records, sequenced.oldestSeconds);
    for (const error of errors) report(errorOf(error));
  };

  const ended = (how: string, livedMs: number) => {
    child = null;
    if (isClosing) return;
    if (livedMs >= steadyMs) {
      pauseMs = backoffMs.first;
      told = '';
    }
    if (how !== told) report(new Error(`the process that chains the audit log ended: ${how}`));
    told = how;
    again = setTimeout(begin, pauseMs);
    again.unref();
    pauseMs = Math.min(2 * pauseMs, backoffMs.most);
  };

  const begin = () => {
    const startedMs = performance.now();
    try {
      child = launch(given.module, {
        order: { kind: 'start', beatMs: everyMs, ...given.start },
        everyMs,
        hear,
        ended: (how) => ended(how, performance.now() - startedMs),
      });
    } catch (error) {
      ended((error as Error).message, 0);
    }
  };

  return {
    start: begin,
    async close() {
      isClosing = true;
      clearTimeout(again);
      if (child) await end(child);
    },
    isRunning: () => child?.pid !== undefined,
    pid: () => child?.pid,
  };
}

/** `ended` is told once. Throws when the system has no place for one more process. */
function launch(
  module: string,
  given: {
    order: SequencerOrder;
    everyMs: number;
    hear: (news: SequencerNews) => void;
    ended: (how: string) => void;
  },
): ChildProcess {
  const child = fork(module, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Not the parent's: a profiler's or an inspector's options are for the parent alone.
    execArgv: [],
  });
  // Before it has other threads: they inherit it.
  if (child.pid !== undefined) lower(child.pid);
  let how = '';
  const kill = (why: string) => {
    how ||= why;
    child.kill('SIGKILL');
  };
  // Beats are counted, not the time: a gateway that was stopped itself has heard nothing meanwhile.
  let silent = 0;
  const watch = setInterval(() => {
    silent += 1;
    if (silent >= silentBeats)
      kill(`it stood still for ${(silentBeats * given.everyMs) / 1_000} s`);
  }, given.everyMs);
  watch.unref();
  const gone = (why: string) => {
    clearInterval(watch);
    given.ended(why);
  };
  child.on('message', (news: SequencerNews) => {
    silent = 0;
    given.hear(news);
  });
  child.on('error', (error) => {
    // It never ran, and there will be no exit; otherwise a message could not be sent, and there will.
    if (child.pid === undefined) gone(error.message);
    else kill(error.message);
  });
  child.once('exit', (code, signal) => gone(how || (signal ?? `exit status ${code}`)));
  // Not connected: it could not be started, and says so in a moment.
  if (child.connected)
    child.send(given.order, (error) => {
      if (error) kill(error.message);
    });
  // It alone does not keep the gateway alive.
  child.unref();
  child.channel?.unref();
  return child;
}

function lower(pid: number): void {
  try {
    os.setPriority(pid, Math.max(os.getPriority(), nice));
  } catch {
    // It has ended already; its exit says so.
  }
}

/** Resolves when it is gone; never later than its limits. */
async function end(child: ChildProcess): Promise<void> {
  const over = new AbortController();
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = () => child.kill('SIGKILL');
  const order: SequencerOrder = { kind: 'close' };
  child.send(order, (error) => {
    if (error) kill();
  });
  // Its timers keep this process alive for as long; the child does not.
  const limits = async () => {
    await delay(closeLimitMs, undefined, { signal: over.signal });
    kill();
    await delay(killLimitMs, undefined, { signal: over.signal });
  };
  await Promise.race([exited, limits().catch(() => {})]);
  over.abort();
}
