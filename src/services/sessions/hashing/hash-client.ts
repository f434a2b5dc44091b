/**
 * The gateway's client of its hashing process: started with the gateway, so that the first logins do not wait for it,
 * restarted after it died, ended with the gateway. If a hash takes longer than `timeoutMs`, the process hangs and is killed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Deriver } from './derivation.ts';
import type { HashReply, HashRequest } from './hash-protocol.ts';

// Same depth from src/ and from dist/; a child process is always the compiled one.
const modulePath = fileURLToPath(
  new URL('../../../../dist/services/sessions/hashing/hash-process.js', import.meta.url),
);
const TIMEOUT_MS = 15_000;

interface PendingHash {
  resolve(hash: Buffer): void;
  reject(error: Error): void;
}

export interface HashProcess extends Deriver {
  /** For tests and operators; undefined when it is not running. */
  pid(): number | undefined;
}

function lowerPriority(pid: number): void {
  try {
    os.setPriority(pid, 19);
  } catch {
    // It has ended already; the exit event follows.
  }
}

export function createHashProcess(): HashProcess {
  const pending = new Map<number, PendingHash>();
  let child: ChildProcess | null = null;
  let lastNumber = 0;

  const rejectAll = (error: Error) => {
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };

  const start = (): ChildProcess => {
    const started = fork(modulePath, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Not the parent's: a profiler's or an inspector's options are for the parent alone.
      execArgv: [],
      // A session of its own: Linux compares priorities within one, and shares a core evenly between them.
      detached: true,
    });
    // The process lowers itself too, but until then its start would compete with session checks.
    if (started.pid !== undefined) lowerPriority(started.pid);
    const onGone = (error: Error) => {
      if (child !== started) return;
      child = null;
      rejectAll(error);
    };
    started.on('message', ({ number, hash, error }: HashReply) => {
      const one = pending.get(number);
      pending.delete(number);
      if (hash !== undefined) one?.resolve(Buffer.from(hash, 'base64'));
      else one?.reject(new Error(error ?? 'the hashing process sent neither hash nor error'));
    });
    started.once('error', onGone);
    started.once('exit', (code, signal) =>
      onGone(new Error(`the hashing process ended (${signal ?? code})`)),
    );
    // Must not keep the gateway alive.
    started.unref();
    started.channel?.unref();
    return started;
  };

  child = start();
  return {
    derive: ({ salt, ...given }) =>
      new Promise((resolve, reject) => {
        child ??= start();
        const target = child;
        lastNumber += 1;
        const number = lastNumber;
        const timer = setTimeout(() => target.kill('SIGKILL'), TIMEOUT_MS);
        const settled =
          <Value>(settle: (value: Value) => void) =>
          (value: Value) => {
            clearTimeout(timer);
            settle(value);
          };
        pending.set(number, { resolve: settled(resolve), reject: settled(reject) });
        const request: HashRequest = { ...given, number, salt: salt.toString('base64') };
        target.send(request, (error) => {
          if (error) target.kill('SIGKILL');
        });
      }),
    pid: () => child?.pid,
    close() {
      child?.kill('SIGKILL');
      child = null;
      rejectAll(new Error('the gateway is stopping'));
    },
  };
}
