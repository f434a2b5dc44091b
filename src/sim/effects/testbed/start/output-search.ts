/** Looks for a text in what is being appended to a log, reading each byte once. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { KEPT_BYTES } from '../../process/bounded-log.ts';

const CHUNK_BYTES = 1_048_576;

/** Starts at the end of the file as it is now. True once the text was seen. */
export function createOutputSearch(logFile: string, text: string): () => boolean {
  let at = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  const wanted = Buffer.from(text);
  let rest = Buffer.alloc(0);
  let seen = false;
  const read = (file: number): void => {
    const { size } = fstatSync(file);
    // The log was cut in place; what is behind its beginning is new, or is searched again.
    if (size < at) at = Math.min(size, KEPT_BYTES);
    while (!seen && at < size) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, size - at));
      const length = readSync(file, chunk, 0, chunk.length, at);
      if (length === 0) return;
      at += length;
      const joined = Buffer.concat([rest, chunk.subarray(0, length)]);
      seen = joined.includes(wanted);
      // The text may be written in two pieces.
      rest = joined.subarray(Math.max(0, joined.length - wanted.length + 1));
    }
  };
  return () => {
    if (seen) return true;
    try {
      const file = openSync(logFile, 'r');
      try {
        read(file);
      } finally {
        closeSync(file);
      }
    } catch {
      // Nothing has been written yet.
    }
    return seen;
  };
}
