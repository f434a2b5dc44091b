/**
 * Holds events while PostgreSQL is unavailable: a bounded file of this process, synced (fdatasync) before the request is
 * answered, many events in one write. A log that is full or has failed rejects, so nothing unrecorded is acknowledged.
 *
 *   append -> waiting -> one write, one fdatasync -> resolve
 *   drain  -> batches from the front, each committed under the events' own ids -> file empty again
 *
 * The position of a drain is not stored: after a kill it begins again, and the event ids prevent duplicates. After a
 * failed fdatasync the content on disk is unknown, so no event is accepted until the next start reads the file.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import type { AuditEvent } from '../contract.ts';
import {
  decodeEvent,
  decodeFrames,
  encodeFrame,
  FRAME_HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
} from './local-log-frames.ts';

export interface LocalLog {
  /** Resolves when the event is on disk; rejects when that is not certain. */
  append(event: AuditEvent): Promise<void>;
  /** Events in the file that are not drained yet. */
  eventCount(): number;
  /** Passes all events to `write`, oldest first, and removes them. Rejects when `write` does; may be called again. */
  drain(write: (events: readonly AuditEvent[]) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

interface PendingFrame {
  readonly frame: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export const LOCAL_LOG_FILE_NAME = 'audit-local.log';
const chunkBytes = 4 * (FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES);

export async function openLocalLog(options: {
  /** No other process may use it. */
  directory: string;
  maxBytes: number;
  /** Encrypts the personal fields in the file. */
  key: Buffer;
}): Promise<LocalLog> {
  const { maxBytes, key } = options;
  const { file, eventCount } = await openFrameFile(options.directory);
  let count = eventCount;
  let drainedBytes = 0;
  let pending: PendingFrame[] = [];
  let pendingBytes = 0;
  // For writes and for the truncation after a drain.
  const runExclusive = createMutex();

  const writeAll = async () => {
    const batch = pending;
    if (batch.length === 0) return;
    pending = [];
    const bytes = batch.reduce((sum, { frame }) => sum + frame.length, 0);
    try {
      await file.append(batch.map(({ frame }) => frame));
      count += batch.length;
      for (const { resolve } of batch) resolve();
    } catch (cause) {
      const error = new Error('the local audit log cannot store events', { cause });
      for (const { reject } of batch) reject(error);
    }
    pendingBytes -= bytes;
  };

  return {
    append(event) {
      const frame = encodeFrame(event, key);
      const [size, failure] = [file.size(), file.failure()];
      if (failure || size + pendingBytes + frame.length > maxBytes)
        return Promise.reject(failure ?? new Error(`the local audit log is full: ${size} bytes`));
      return new Promise((resolve, reject) => {
        pending.push({ frame, resolve, reject });
        pendingBytes += frame.length;
        // Events that arrive while a write runs share the next write.
        if (pending.length === 1) void runExclusive(writeAll);
      });
    },
    eventCount: () => count,
    async drain(write) {
      while (drainedBytes < file.size()) {
        const { payloads, bytes } = await file.read(drainedBytes);
        const events = payloads.map((payload) => decodeEvent(payload, key));
        await write(events);
        drainedBytes += bytes;
        count -= events.length;
        await runExclusive(async () => {
          if (drainedBytes < file.size()) return;
          await file.clear();
          drainedBytes = 0;
        });
      }
    },
    async close() {
      await runExclusive(writeAll);
      await file.close();
    },
  };
}

/** Runs functions one at a time, in order. */
function createMutex() {
  let lastRun: Promise<unknown> = Promise.resolve();
  return <Result>(work: () => Promise<Result>): Promise<Result> => {
    const done = lastRun.then(work);
    lastRun = done.catch(() => null);
    return done;
  };
}

interface FrameFile {
  /** In bytes; the file holds whole frames up to here. */
  size(): number;
  /** Set when the content on disk is unknown; then every append rejects. */
  failure(): Error | null;
  /** Resolves when the frames are synced. */
  append(frames: readonly Buffer[]): Promise<void>;
  /** Payloads of the frames at `offset`, at most `chunkBytes`, and the bytes they take. */
  read(offset: number): Promise<{ payloads: Buffer[]; bytes: number }>;
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** Truncates the file after its last whole frame. */
async function openFrameFile(directory: string): Promise<{ file: FrameFile; eventCount: number }> {
  const handle = await openFile(directory);
  const { end, count } = await findWholeFrames(handle);
  await handle.truncate(end);
  return { file: createFrameFile(handle, end), eventCount: count };
}

function createFrameFile(handle: FileHandle, initialSize: number): FrameFile {
  let size = initialSize;
  let failure: Error | null = null;
  return {
    size: () => size,
    failure: () => failure,
    async append(frames) {
      if (failure) throw failure;
      const bytes = Buffer.concat(frames);
      try {
        await writeFully(handle, bytes, size);
      } catch (error) {
        // A full disk may have room again later; remove a partial frame so that the next one follows a whole frame.
        await handle.truncate(size).catch((cause: Error) => {
          failure = cause;
        });
        throw error;
      }
      await handle.datasync().catch((cause: Error) => {
        failure = cause;
        throw cause;
      });
      size += bytes.length;
    },
    async read(offset) {
      const chunk = Buffer.alloc(Math.min(size - offset, chunkBytes));
      await readFully(handle, chunk, offset);
      const { payloads, end: bytes } = decodeFrames(chunk);
      if (bytes === 0) throw new Error(`the local audit log is damaged at byte ${offset}`);
      return { payloads, bytes };
    },
    async clear() {
      await handle.truncate(0);
      await handle.datasync();
      size = 0;
    },
    close: () => handle.close(),
  };
}

/** Creates the file and its directory, and syncs the directory entry. */
async function openFile(directory: string): Promise<FileHandle> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { O_RDWR, O_CREAT } = constants;
  const file = await open(path.join(directory, LOCAL_LOG_FILE_NAME), O_RDWR | O_CREAT, 0o600);
  const folder = await open(directory, 'r');
  await folder.sync();
  await folder.close();
  return file;
}

async function findWholeFrames(file: FileHandle): Promise<{ end: number; count: number }> {
  const { size } = await file.stat();
  let end = 0;
  let count = 0;
  while (end < size) {
    const bytes = Buffer.alloc(Math.min(size - end, chunkBytes));
    await readFully(file, bytes, end);
    const { payloads, end: decodedBytes } = decodeFrames(bytes);
    if (decodedBytes === 0) break;
    end += decodedBytes;
    count += payloads.length;
  }
  return { end, count };
}

async function readFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0) throw new Error('the local audit log is shorter than it was');
    done += bytesRead;
  }
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
