/**
 * A lock between processes of one machine. The file names its owner, so a lock whose owner died is taken over
 * at once instead of after a guess.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, type ProcessStamp, startTimeOf } from '../process/process-table.ts';

function ownerOf(file: string): ProcessStamp | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessStamp;
  } catch {
    return null; // Just released.
  }
}

/** True when the lock is ours now. */
function tryLock(file: string): boolean {
  const mine = `${file}.${process.pid}`;
  const stamp = { pid: process.pid, startTime: startTimeOf(process.pid) };
  writeFileSync(mine, JSON.stringify(stamp));
  try {
    linkSync(mine, file); // Fails when the lock exists; its content is complete from the start.
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Removes a dead owner's lock, unless another waiter has replaced it by its own in the meantime. */
function bury(file: string): void {
  const grave = `${file}.${process.pid}.dead`;
  try {
    renameSync(file, grave);
    const owner = ownerOf(grave);
    if (owner && isRunning(owner)) linkSync(grave, file);
  } catch {
    // Somebody else buried it, or took the lock: either way the next attempt decides.
  } finally {
    rmSync(grave, { force: true });
  }
}

/** Runs `work` while holding the lock; throws `onTimeout()` when it cannot be had within `limitMs`. */
export async function withLock<T>(
  file: string,
  options: {
    limitMs: number;
    signal?: AbortSignal | undefined;
    onWait: () => void;
    onTimeout: () => Error;
  },
  work: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + options.limitMs;
  for (let waited = false; !tryLock(file); waited = true) {
    options.signal?.throwIfAborted();
    if (performance.now() > deadline) throw options.onTimeout();
    const owner = ownerOf(file);
    if (owner && !isRunning(owner)) {
      bury(file);
      continue;
    }
    if (!waited) options.onWait();
    await sleep(100);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}
