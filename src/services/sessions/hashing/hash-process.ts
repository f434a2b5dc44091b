/**
 * The hashing process: one password at a time, at the lowest priority, so that many logins take idle CPU only.
 * It hashes on its main thread because that is the one whose priority `setPriority` changes on Linux. It exits when
 * its parent does.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { deriveSync } from './derivation.ts';
import type { HashReply, HashRequest } from './hash-protocol.ts';

const limits = { timeout: 2_000, killSignal: 'SIGKILL' } as const;

os.setPriority(19);
lowerSession();
// Linux's idle class, where chrt exists. Nice 19 is not enough: the fair scheduler finishes the running slice first,
// and a session check would wait several milliseconds.
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

/** With autogroup, Linux schedules sessions against each other by the group's priority, not the process's. */
function lowerSession(): void {
  try {
    writeFileSync('/proc/self/autogroup', '19');
  } catch {
    // Not Linux, no autogroup, or not permitted: then the process's own priority counts.
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
