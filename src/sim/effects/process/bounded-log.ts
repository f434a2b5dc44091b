/**
 * Keeps the log of a child that writes without end from filling the disk. The child writes to the file itself
 * (O_APPEND), so the file can only be cut in place: its beginning and its end stay, the middle goes, and a line in
 * between says so. What is written between two checks is not bounded.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

const CHECK_INTERVAL_MS = 100;
/** How much of the beginning and of the end survives a cut. */
export const KEPT_BYTES = 65_536;

export interface BoundedLog {
  /** Checks for the last time. Idempotent. */
  close(): void;
}

/** `maxBytes` is several times KEPT_BYTES. */
export function boundLog(logFile: string, maxBytes: number): BoundedLog {
  const file = openSync(logFile, 'a+', 0o600);
  const check = (): void => {
    try {
      const { size } = fstatSync(file);
      if (size > maxBytes) cut(file, size);
    } catch {
      // A full disk or a removed file: the log is evidence, not a condition.
    }
  };
  const timer = setInterval(check, CHECK_INTERVAL_MS);
  timer.unref();
  let open = true;
  return {
    close() {
      if (!open) return;
      open = false;
      clearInterval(timer);
      check();
      closeSync(file);
    },
  };
}

/** How often the end is read again because more was written meanwhile. */
const MAX_READS = 20;

function cut(file: number, size: number): void {
  const tail = Buffer.alloc(KEPT_BYTES);
  let end = size;
  let length = 0;
  // What is written between the last reading and the cut is lost: an instant, once the writer rests.
  for (let reads = 0; reads < MAX_READS; reads += 1) {
    length = readSync(file, tail, 0, KEPT_BYTES, end - KEPT_BYTES);
    const now = fstatSync(file).size;
    if (now === end) break;
    end = now;
  }
  ftruncateSync(file, KEPT_BYTES);
  const removed = end - KEPT_BYTES - length;
  const note = `\n[platform: removed ${removed} bytes of output here to bound this log]\n`;
  writeSync(file, note);
  writeSync(file, tail, 0, length);
}
