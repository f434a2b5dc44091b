/**
 * Bounds the log of a child so that it cannot fill the disk. The child itself writes to the file (O_APPEND), so the
 * file is cut in place: the first and last 64 kB stay, and a line between them says how much was removed. What is
 * written between two checks is not bounded.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

const CHECK_INTERVAL_MS = 100;
/** Kept at the beginning, and as much again at the end. */
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
      if (size > maxBytes) truncateMiddle(file, size);
    } catch {
      // A full disk or a removed file must not fail the run.
    }
  };
  const timer = setInterval(check, CHECK_INTERVAL_MS);
  timer.unref();
  let isOpen = true;
  return {
    close() {
      if (!isOpen) return;
      isOpen = false;
      clearInterval(timer);
      check();
      closeSync(file);
    },
  };
}

/** Retries when the child wrote more while the end was read. */
const MAX_READS = 20;

function truncateMiddle(file: number, size: number): void {
  const tail = Buffer.alloc(KEPT_BYTES);
  let end = size;
  let length = 0;
  // What is written between the last read and the truncation is lost.
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
