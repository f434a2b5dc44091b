/**
 * Binary search for the first checkpoint that covers a block: a log that is signed every second has a hundred thousand
 * lines a day. The lines are sorted by the blocks they cover, because blocks are only added.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { readCheckpoint } from './chain/checkpoint.ts';

const CHUNK_BYTES = 16 * 1024;
const newline = 0x0a;

interface Line {
  readonly text: string;
  /** Offset behind its newline. */
  readonly endByte: number;
}

/** Null: not signed yet, or no file. A partial line after a crash is ignored. */
export async function findCheckpoint(
  file: string,
  at: { shard: number; block: bigint },
): Promise<string | null> {
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    return await findFirstLine(handle, size, (line) => covers(line, at));
  } finally {
    await handle.close();
  }
}

function covers(line: string, { shard, block }: { shard: number; block: bigint }): boolean {
  const head = readCheckpoint(line).shards.find((one) => one.shard === shard);
  return head !== undefined && BigInt(head.blocks) >= block;
}

/** The first line for which `isMatch` is true; it must be true for all later lines too. */
async function findFirstLine(
  handle: FileHandle,
  size: number,
  isMatch: (line: string) => boolean,
): Promise<string | null> {
  let found: string | null = null;
  // No line that starts before `low` matches; every line that starts at or after `high` does.
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const startByte = await findNextLineStart(handle, middle, high);
    const line = startByte === null ? null : await readLine(handle, startByte, size);
    if (line !== null && !isMatch(line.text)) low = line.endByte;
    else {
      found = line?.text ?? found;
      high = middle;
    }
  }
  return found;
}

/** Offset of the first line that starts in [byte, end). */
async function findNextLineStart(
  handle: FileHandle,
  byte: number,
  end: number,
): Promise<number | null> {
  if (byte === 0) return 0;
  const before = await readLine(handle, byte - 1, end);
  return before === null || before.endByte >= end ? null : before.endByte;
}

async function readLine(handle: FileHandle, startByte: number, end: number): Promise<Line | null> {
  const pieces: Buffer[] = [];
  for (let at = startByte; at < end; ) {
    const bytes = Buffer.alloc(Math.min(CHUNK_BYTES, end - at));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, at);
    if (bytesRead === 0) return null;
    const stop = bytes.subarray(0, bytesRead).indexOf(newline);
    pieces.push(bytes.subarray(0, stop < 0 ? bytesRead : stop));
    at += stop < 0 ? bytesRead : stop + 1;
    if (stop >= 0) return { text: Buffer.concat(pieces).toString(), endByte: at };
  }
  return null;
}
