/**
 * The checkpoint file outside the database, one line each, appended only by the sequencer that holds the lock. A line
 * counts once its newline is on disk; a partial line after a crash is removed by the next append and never read.
 * The newest line is read and the next one written synchronously, so that a sequencer resumed after SIGSTOP does not
 * append to a line that is no longer the last.
 */
import {
  closeSync,
  createReadStream,
  fstatSync,
  fsync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { syncFolder } from '../secret-file.ts';

export interface CheckpointFile {
  /** The newest line without its newline; null when there is none. */
  last(): string | null;
  /** Resolves when the line `make` returns is durable. */
  append(make: (last: string | null) => string): Promise<void>;
  /** In bytes; pass it to `lines` to read the file as it is now. */
  size(): Promise<number>;
  /** In order, without newlines. */
  lines(untilByte?: number): AsyncIterable<string>;
}

const sync = promisify(fsync);
const newline = 0x0a;
const FIRST_CHUNK = 64 * 1024;

/** The first append creates the file. */
export function openCheckpointFile(file: string): CheckpointFile {
  return {
    last() {
      try {
        const descriptor = openSync(file, 'r');
        try {
          return readTail(descriptor).last;
        } finally {
          closeSync(descriptor);
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    async append(make) {
      await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
      const descriptor = openSync(file, 'a+', 0o644);
      try {
        const { last, endByte } = readTail(descriptor);
        const line = Buffer.from(`${make(last)}\n`);
        if (endByte < fstatSync(descriptor).size) ftruncateSync(descriptor, endByte);
        if (writeSync(descriptor, line) !== line.length)
          throw new Error(`${file} took only a part of a checkpoint`);
        await sync(descriptor);
        if (last === null) await syncFolder(path.dirname(file));
      } finally {
        closeSync(descriptor);
      }
    },
    size: () => sizeOf(file),
    lines: (untilByte) => readLines(file, untilByte),
  };
}

/** The last complete line and the offset behind it. */
function readTail(descriptor: number): { last: string | null; endByte: number } {
  const { size } = fstatSync(descriptor);
  for (let length = Math.min(size, FIRST_CHUNK); ; length = Math.min(size, length * 2)) {
    const bytes = Buffer.alloc(length);
    let read = 0;
    while (read < length) {
      const got = readSync(descriptor, bytes, read, length - read, size - length + read);
      if (got === 0) throw new Error('the checkpoints became shorter while they were read');
      read += got;
    }
    const end = bytes.lastIndexOf(newline);
    const start = end <= 0 ? -1 : bytes.lastIndexOf(newline, end - 1);
    const whole = length === size;
    if (end >= 0 && (start >= 0 || whole))
      return {
        last: bytes.toString('utf8', start + 1, end),
        endByte: size - length + end + 1,
      };
    if (whole) return { last: null, endByte: 0 };
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

async function* readLines(file: string, untilByte?: number): AsyncIterable<string> {
  const end = untilByte ?? (await sizeOf(file));
  if (end === 0) return;
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8', end: end - 1 })) {
    const pieces = (rest + chunk).split('\n');
    rest = pieces.pop()!;
    yield* pieces;
  }
}
