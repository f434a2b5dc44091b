/**
 * The hashing process: one password at a time, at the lowest priority, so that a storm of logins takes idle CPU only.
 * It hashes on its main thread because that is the one whose priority `setPriority` changes on Linux. It ends when
 * its parent is gone.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { deriveSync } from './derivation.ts';
import type { HashReply, HashRequest } from './hash-protocol.ts';

const limits = { timeout: 2_000, killSignal: 'SIGKILL' } as const;

os.setPriority(19);
lowerSession();
// Linux's idle class, where there is a chrt: of a merely nice process, a fair scheduler still finishes the slice
// before it runs whoever woke up, several milliseconds in which a check waits.
execFile(
  'chrt',
  ['--idle', '--all-tasks', '--pid', '0', `${process.pid}`],
  limits,
  () => {},
).unref();
process.once('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent decides when this one goes.
process.on('SIGINT', () => {});

process.on('message', ({ number, ...request }: HashRequest) => {
  process.send?.(answer(number, request));
});

/** Where Linux groups processes by session, the group has a priority of its own, and that is what counts outside. */
function lowerSession(): void {
  try {
    writeFileSync('/proc/self/autogroup', '19');
  } catch {
    // Not Linux, not grouped, or not permitted: the process's own priority is then what counts.
  }
}

function answer(number: number, request: Omit<HashRequest, 'number'>): HashReply {
  try {
    const hash = deriveSync({ ...request, salt: Buffer.from(request.salt, 'base64') });
    return { number, hash: hash.toString('base64') };
  } catch (error) {
    return { number, error: (error as Error).message };
  }
}
