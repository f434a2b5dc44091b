/**
 * Where events stand while PostgreSQL is away: a bounded file of this process, on disk (fdatasync) before the answer,
 * many events in one write. A log that is full or that failed refuses, so nothing is confirmed that is not on record.
 *
 *   append -> waiting -> one write, one fdatasync -> resolve
 *   drain  -> batches from the front, each committed under the events' own ids -> file empty again
 *
 * The position of a drain is not kept: after a kill it begins again, and what is on record already is not added twice.
 * After a failed fdatasync nobody knows what is on disk, so no event is added until the next start reads the file.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import type { AuditEvent } from './contract.ts';
import { eventOf, frameOf, headerBytes, maxPayloadBytes, readFrames } from './local-log-frames.ts';

export interface LocalLog {
  /** Resolves when it is on disk; rejects when it is not certain to be. */
  append(event: AuditEvent): Promise<void>;
  /** Waiting to be drained. */
  events(): number;
  /** Hands everything to `write`, oldest first, and forgets it; rejects with what `write` rejects with, to be repeated. */
  drain(write: (events: readonly AuditEvent[]) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  readonly frame: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export const localLogFile = 'audit-local.log';
const chunkBytes = 4 * (headerBytes + maxPayloadBytes);

export async function openLocalLog(given: {
  /** Of this process alone. */
  directory: string;
  maxBytes: number;
  /** Personal fields are sealed under it while they are here. */
  key: Buffer;
}): Promise<LocalLog> {
  const { maxBytes, key } = given;
  const file = await openFile(given.directory);
  let { end, count } = await wholeFrames(file);
  await file.truncate(end);
  let drained = 0;
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let failed: Error | null = null;
  let turn: Promise<unknown> = Promise.resolve();

  /** One at a time: writes, and the end of a drain. */
  const exclusively = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const done = turn.then(work);
    turn = done.catch(() => null);
    return done;
  };

  const writeAll = async () => {
    const batch = waiting;
    if (batch.length === 0) return;
    waiting = [];
    const bytes = batch.reduce((sum, { frame }) => sum + frame.length, 0);
    try {
      if (failed) throw failed;
      end = await store(batch.map(({ frame }) => frame));
      count += batch.length;
      for (const { resolve } of batch) resolve();
    } catch (cause) {
      const error = new Error('the local audit log does not take events', { cause });
      for (const { reject } of batch) reject(error);
    }
    waitingBytes -= bytes;
  };

  const store = async (frames: readonly Buffer[]): Promise<number> => {
    const bytes = Buffer.concat(frames);
    try {
      await writeFully(file, bytes, end);
    } catch (error) {
      // A disk that was full may have room again; half a frame must not stand before the next.
      await file.truncate(end).catch((cause: Error) => {
        failed = cause;
      });
      throw error;
    }
    await file.datasync().catch((cause: Error) => {
      failed = cause;
      throw cause;
    });
    return end + bytes.length;
  };

  const nextBatch = async () => {
    const size = Math.min(end - drained, chunkBytes);
    const bytes = Buffer.alloc(size);
    await readFully(file, bytes, drained);
    const { payloads, end: read } = readFrames(bytes);
    if (read === 0) throw new Error(`the local audit log is damaged at byte ${drained}`);
    return { events: payloads.map((payload) => eventOf(payload, key)), bytes: read };
  };

  return {
    append(event) {
      const frame = frameOf(event, key);
      if (failed || end + waitingBytes + frame.length > maxBytes)
        return Promise.reject(failed ?? new Error(`the local audit log is full: ${end} bytes`));
      return new Promise((resolve, reject) => {
        waiting.push({ frame, resolve, reject });
        waitingBytes += frame.length;
        // Those that come while a write runs are the next one.
        if (waiting.length === 1) void exclusively(writeAll);
      });
    },
    events: () => count,
    async drain(write) {
      while (drained < end) {
        const { events, bytes } = await nextBatch();
        await write(events);
        drained += bytes;
        count -= events.length;
        await exclusively(async () => {
          if (drained < end) return;
          await file.truncate(0);
          await file.datasync();
          end = 0;
          drained = 0;
        });
      }
    },
    async close() {
      await exclusively(writeAll);
      await file.close();
    },
  };
}

/** Made with its folder, and its name is on disk as well. */
async function openFile(directory: string): Promise<FileHandle> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { O_RDWR, O_CREAT } = constants;
  const file = await open(path.join(directory, localLogFile), O_RDWR | O_CREAT, 0o600);
  const folder = await open(directory, 'r');
  await folder.sync();
  await folder.close();
  return file;
}

async function wholeFrames(file: FileHandle): Promise<{ end: number; count: number }> {
  const { size } = await file.stat();
  let end = 0;
  let count = 0;
  while (end < size) {
    const bytes = Buffer.alloc(Math.min(size - end, chunkBytes));
    await readFully(file, bytes, end);
    const { payloads, end: read } = readFrames(bytes);
    if (read === 0) break;
    end += read;
    count += payloads.length;
  }
  return { end, count };
}

async function readFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, position + at);
    if (bytesRead === 0) throw new Error('the local audit log is shorter than it was');
    at += bytesRead;
  }
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}
