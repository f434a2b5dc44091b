/**
 * The log for exports: each block, then its records with their sequence numbers, all shards merged in the order of the
 * log. Skipped are records that are in no block yet, which the next export has, and records that are not in the block
 * they belong to, which `verify` reports.
 */
import type { AuditRecord } from '../contract.ts';
import { type Block, endOf, eventIdAt, isAfter, positionOf, shardOf } from './block.ts';
import type { LogSource } from './verification.ts';

export interface SequencedRecord {
  readonly record: AuditRecord;
  readonly shard: number;
  readonly sequence: bigint;
  readonly block: Block;
  /** Of the record among the members of the block. */
  readonly index: number;
}

export type SequencedItem =
  | { readonly kind: 'block'; readonly block: Block }
  | ({ readonly kind: 'record' } & SequencedRecord);

/** Reads the blocks of one shard. */
interface BlockReader {
  readonly iterator: AsyncIterator<Block>;
  /** Null after the last block. */
  block: Block | null;
  /** Index of the member that the next record should be. */
  nextIndex: number;
}

/** Usually `reader.nextIndex`; later when rows are missing, -1 when the event is not in the block. */
function memberIndexOf(reader: BlockReader, eventId: string): number {
  const { members, records } = reader.block!;
  for (let index = reader.nextIndex; index < records; index += 1)
    if (eventIdAt(members, index) === eventId) return index;
  return -1;
}

export async function* sequencedRecords(
  source: Pick<LogSource, 'blocks' | 'records'>,
  scope: { readonly shards: number; readonly selectedShards: readonly number[] },
): AsyncGenerator<SequencedItem> {
  const readers = new Map<number, BlockReader>();
  async function* advance(reader: BlockReader): AsyncGenerator<SequencedItem> {
    const { value, done } = await reader.iterator.next();
    reader.block = done ? null : value;
    reader.nextIndex = 0;
    if (reader.block) yield { kind: 'block', block: reader.block };
  }
  for (const shard of scope.selectedShards) {
    const iterator = source.blocks(shard)[Symbol.asyncIterator]();
    const reader: BlockReader = { iterator, block: null, nextIndex: 0 };
    readers.set(shard, reader);
    yield* advance(reader);
  }
  for await (const record of source.records()) {
    const shard = shardOf(record.organisationId, scope.shards);
    const reader = readers.get(shard);
    if (!reader) continue;
    while (reader.block && isAfter(positionOf(record), endOf(reader.block))) yield* advance(reader);
    const index = reader.block ? memberIndexOf(reader, record.eventId) : -1;
    if (!reader.block || index < 0) continue;
    reader.nextIndex = index + 1;
    const sequence = reader.block.firstSequence + BigInt(index);
    yield { kind: 'record', record, shard, sequence, block: reader.block, index };
  }
  for (const reader of readers.values()) while (reader.block) yield* advance(reader);
}
