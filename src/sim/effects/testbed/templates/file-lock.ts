/**
 * A lock between processes of one machine. The file names its owner, so a dead owner's lock is taken over at once, without
 * a timeout.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, type ProcessStamp, startTimeOf } from '../../process/process-table.ts';

function ownerOf(file: string): ProcessStamp | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessStamp;
  } catch {
    return null; // Released meanwhile.
  }
}

/** True when the lock is ours now. */
function tryLock(file: string): boolean {
  const ownFile = `${file}.${process.pid}`;
  const stamp = { pid: process.pid, startTime: startTimeOf(process.pid) };
  writeFileSync(ownFile, JSON.stringify(stamp));
  try {
    linkSync(ownFile, file); // Fails when the lock exists; its content is complete from the start.
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(ownFile, { force: true });
  }
}

/** Removes a dead owner's lock, unless another waiter has replaced it with its own meanwhile. */
function removeStaleLock(file: string): void {
  const staleFile = `${file}.${process.pid}.dead`;
  try {
    renameSync(file, staleFile);
    const owner = ownerOf(staleFile);
    if (owner && isRunning(owner)) linkSync(staleFile, file);
  } catch {
    // Another process removed it or took the lock: the next attempt decides.
  } finally {
    rmSync(staleFile, { force: true });
  }
}

/** Runs `work` while holding the lock; throws `onTimeout()` when it cannot be taken within `limitMs`. */
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
  for (let hasWaited = false; !tryLock(file); hasWaited = true) {
    options.signal?.throwIfAborted();
    if (performance.now() > deadline) throw options.onTimeout();
    const owner = ownerOf(file);
    if (owner && !isRunning(owner)) {
      removeStaleLock(file);
      continue;
    }
    if (!hasWaited) options.onWait();
    await sleep(100);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}
