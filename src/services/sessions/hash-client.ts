/**
 * The gateway's side of its hashing process: started with the gateway, so that the first logins of a storm do not
 * pay for it, started again after it died, ended with the gateway. A hash that takes longer than `limitMs` ends the process: it hangs.
 */
import { type ChildProcess, fork } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Deriver } from './derivation.ts';
import type { HashReply, HashRequest } from './hash-protocol.ts';

// Same depth from src/ and from dist/; a child process is always the compiled one.
const modulePath = fileURLToPath(
  new URL('../../../dist/services/sessions/hash-process.js', import.meta.url),
);
const limitMs = 15_000;

interface Asked {
  resolve(hash: Buffer): void;
  reject(error: Error): void;
}

export interface HashProcess extends Deriver {
  /** For tests and operators; undefined when it is not running. */
  pid(): number | undefined;
}

function lower(pid: number): void {
  try {
    os.setPriority(pid, 19);
  } catch {
    // It has ended already; its exit says so.
  }
}

export function createHashProcess(): HashProcess {
  const asked = new Map<number, Asked>();
  let child: ChildProcess | null = null;
  let lastNumber = 0;

  const fail = (error: Error) => {
    for (const { reject } of asked.values()) reject(error);
    asked.clear();
  };

  const start = (): ChildProcess => {
    const started = fork(modulePath, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Not the parent's: a profiler's or an inspector's options are for the parent alone.
      execArgv: [],
      // A session of its own: Linux compares priorities within one, and shares a core evenly between them.
      detached: true,
    });
    // It does the same itself, but its start should not take a core from the checks either.
    if (started.pid !== undefined) lower(started.pid);
    const gone = (error: Error) => {
      if (child !== started) return;
      child = null;
      fail(error);
    };
    started.on('message', ({ number, hash, error }: HashReply) => {
      const one = asked.get(number);
      asked.delete(number);
      if (hash !== undefined) one?.resolve(Buffer.from(hash, 'base64'));
      else one?.reject(new Error(error ?? 'the hashing process gave no answer'));
    });
    started.once('error', gone);
    started.once('exit', (code, signal) =>
      gone(new Error(`the hashing process ended (${signal ?? code})`)),
    );
    // It alone does not keep the gateway alive.
    started.unref();
    started.channel?.unref();
    return started;
  };

  child = start();
  return {
    derive: ({ salt, ...given }) =>
      new Promise((resolve, reject) => {
        child ??= start();
        const asking = child;
        lastNumber += 1;
        const number = lastNumber;
        const limit = setTimeout(() => asking.kill('SIGKILL'), limitMs);
        const settled =
          <Value>(settle: (value: Value) => void) =>
          (value: Value) => {
            clearTimeout(limit);
            settle(value);
          };
        asked.set(number, { resolve: settled(resolve), reject: settled(reject) });
        const request: HashRequest = { ...given, number, salt: salt.toString('base64') };
        asking.send(request, (error) => {
          if (error) asking.kill('SIGKILL');
        });
      }),
    pid: () => child?.pid,
    close() {
      child?.kill('SIGKILL');
      child = null;
      fail(new Error('the gateway is stopping'));
    },
  };
}
