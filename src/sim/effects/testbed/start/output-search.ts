/** Searches a growing log for a text, reading each byte once. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { KEPT_BYTES } from '../../process/bounded-log.ts';

const CHUNK_BYTES = 1_048_576;

/** Starts at the current end of the file. The returned function is true once the text was found. */
export function createOutputSearch(logFile: string, text: string): () => boolean {
  let offset = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  const wanted = Buffer.from(text);
  let rest = Buffer.alloc(0);
  let isFound = false;
  const read = (file: number): void => {
    const { size } = fstatSync(file);
    // The log was cut in place: what follows its kept beginning is new, or is searched again.
    if (size < offset) offset = Math.min(size, KEPT_BYTES);
    while (!isFound && offset < size) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, size - offset));
      const length = readSync(file, chunk, 0, chunk.length, offset);
      if (length === 0) return;
      offset += length;
      const joined = Buffer.concat([rest, chunk.subarray(0, length)]);
      isFound = joined.includes(wanted);
      // The text may be written in two parts.
      rest = joined.subarray(Math.max(0, joined.length - wanted.length + 1));
    }
  };
  return () => {
    if (isFound) return true;
    try {
      const file = openSync(logFile, 'r');
      try {
        read(file);
      } finally {
        closeSync(file);
      }
    } catch {
      // Not created yet.
    }
    return isFound;
  };
}
