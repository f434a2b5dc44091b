/**
 * The first checkpoint that covers a block, found by halving the file: a log that is signed every second has a hundred
 * thousand lines a day. Lines are in order of what they cover, because blocks are only added.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { readCheckpoint } from './chain/checkpoint.ts';

const chunkBytes = 16 * 1024;
const newline = 0x0a;

interface Line {
  readonly text: string;
  /** Behind its newline. */
  readonly endByte: number;
}

/** Null: not signed yet, or there is no file. What a crash left of a line is none. */
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
    return await firstCovering(handle, size, (line) => covers(line, at));
  } finally {
    await handle.close();
  }
}

function covers(line: string, { shard, block }: { shard: number; block: bigint }): boolean {
  const head = readCheckpoint(line).shards.find((one) => one.shard === shard);
  return head !== undefined && BigInt(head.blocks) >= block;
}

/** The first line for which `fits` holds, where it holds for every line after one it holds for. */
async function firstCovering(
  handle: FileHandle,
  size: number,
  fits: (line: string) => boolean,
): Promise<string | null> {
  let found: string | null = null;
  // Every line that begins before `low` does not fit; every one that begins at `high` or behind it does.
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const startByte = await nextStart(handle, middle, high);
    const line = startByte === null ? null : await readLine(handle, startByte, size);
    if (line !== null && !fits(line.text)) low = line.endByte;
    else {
      found = line?.text ?? found;
      high = middle;
    }
  }
  return found;
}

/** Where the first line begins that begins in [byte, end). */
async function nextStart(handle: FileHandle, byte: number, end: number): Promise<number | null> {
  if (byte === 0) return 0;
  const before = await readLine(handle, byte - 1, end);
  return before === null || before.endByte >= end ? null : before.endByte;
}

async function readLine(handle: FileHandle, startByte: number, end: number): Promise<Line | null> {
  const pieces: Buffer[] = [];
  for (let at = startByte; at < end; ) {
    const bytes = Buffer.alloc(Math.min(chunkBytes, end - at));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, at);
    if (bytesRead === 0) return null;
    const stop = bytes.subarray(0, bytesRead).indexOf(newline);
    pieces.push(bytes.subarray(0, stop < 0 ? bytesRead : stop));
    at += stop < 0 ? bytesRead : stop + 1;
    if (stop >= 0) return { text: Buffer.concat(pieces).toString(), endByte: at };
  }
  return null;
}
