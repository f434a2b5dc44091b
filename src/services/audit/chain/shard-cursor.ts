/** Reads the blocks of one shard and counts which members of the current block have a row. */
import { type Block, endOf, eventIdAt, type LogPosition, memberBytes } from './block.ts';
import type { RecordLocation } from './verify-missing.ts';

/** The current block of a shard and how many of its members were matched. */
export interface ShardCursor {
  readonly shard: number;
  readonly iterator: AsyncIterator<Block>;
  block: Block | null;
  end: LogPosition;
  /** Of the member expected next. */
  nextIndex: number;
  /** Highest index that was matched; -1: none. */
  lastMatched: number;
  /** Null while every row was the next member. */
  mismatches: BlockMismatches | null;
  lastSequence: bigint;
}

export interface BlockMismatches {
  readonly indexByEventId: ReadonlyMap<string, number>;
  readonly isMatched: boolean[];
  /** Members whose row differs; `rowIndex`: where the row was read. */
  readonly changed: { index: number; rowIndex: number; eventId: string; detail: string }[];
  /** Rows that are not members of the block. */
  readonly orphans: { rowIndex: number; eventId: string }[];
}

export const memberOf = (block: Block, index: number): Buffer =>
  block.members.subarray(index * memberBytes, (index + 1) * memberBytes);

/** From the bytes: the block's own count may be forged, which the walk has reported. */
export const memberCount = (block: Block): number => Math.floor(block.members.length / memberBytes);

export function locationIn(
  cursor: ShardCursor,
  block: Block,
  index: number,
): Omit<RecordLocation, 'eventId'> {
  const sequence = block.firstSequence + BigInt(index);
  return { shard: cursor.shard, sequence, block: block.number, at: endOf(block) };
}

export async function openNextBlock(cursor: ShardCursor): Promise<void> {
  const { value, done } = await cursor.iterator.next();
  cursor.block = done ? null : value;
  cursor.nextIndex = 0;
  cursor.lastMatched = -1;
  cursor.mismatches = null;
  if (cursor.block) cursor.end = endOf(cursor.block);
}

export function startMismatches(cursor: ShardCursor, block: Block): BlockMismatches {
  const indexByEventId = new Map<string, number>();
  for (let index = 0; index < memberCount(block); index += 1)
    indexByEventId.set(eventIdAt(block.members, index), index);
  const isMatched = Array.from(
    { length: memberCount(block) },
    (_, index) => index < cursor.nextIndex,
  );
  return { indexByEventId, isMatched, changed: [], orphans: [] };
}
