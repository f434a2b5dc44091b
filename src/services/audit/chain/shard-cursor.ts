/** Reads the blocks of one shard and counts which members of the current block have a row. */
import { type Block, endOf, eventIdAt, type LogPosition, MEMBER_BYTES } from './block.ts';
import type { RecordLocation } from './verify-missing.ts';

/** The current block of a shard and how many of its members were matched. */
export interface ShardCursor {
  readonly shard: number;
  readonly iterator: AsyncIterator<Block>;
  block: Block | null;
  end: LogPosition;
  /** Index of the member that the next row should equal. */
  nextIndex: number;
  /** -1: none. */
  highestMatchedIndex: number;
  /** Null as long as every row has equalled the member at `nextIndex`. */
  mismatches: BlockMismatches | null;
  /** Of the last member of the blocks read so far. */
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
  block.members.subarray(index * MEMBER_BYTES, (index + 1) * MEMBER_BYTES);

/** Counted from the bytes, because `block.records` may be forged; verify-blocks.ts has reported that. */
export const memberCount = (block: Block): number =>
  Math.floor(block.members.length / MEMBER_BYTES);

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
  cursor.highestMatchedIndex = -1;
  cursor.mismatches = null;
  if (cursor.block) cursor.end = endOf(cursor.block);
}

/** Members before the cursor's `nextIndex` have matched. */
export function createMismatches(cursor: ShardCursor, block: Block): BlockMismatches {
  const indexByEventId = new Map<string, number>();
  for (let index = 0; index < memberCount(block); index += 1)
    indexByEventId.set(eventIdAt(block.members, index), index);
  const isMatched = Array.from(
    { length: memberCount(block) },
    (_, index) => index < cursor.nextIndex,
  );
  return { indexByEventId, isMatched, changed: [], orphans: [] };
}
