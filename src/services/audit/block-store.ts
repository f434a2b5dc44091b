/**
 * Blocks in PostgreSQL. A sequencer continues from the newest block of each shard alone: the blocks of the newest batch
 * are among them, and have the position where it ended.
 */
import type { Database } from '../ports.ts';
import type { Block } from './chain/block.ts';
import { isoOf } from './record-row.ts';

export interface BlockRow {
  readonly shard: number;
  readonly number: string;
  readonly version: number;
  readonly first_sequence: string;
  readonly records: number;
  readonly to_xid: string;
  readonly to_id: string;
  readonly sequenced_at: string;
  readonly members: Buffer;
  readonly root: Buffer;
  readonly previous: Buffer;
  readonly hash: Buffer;
}

export const blockOf = (row: BlockRow): Block => ({
  shard: row.shard,
  number: BigInt(row.number),
  version: row.version,
  firstSequence: BigInt(row.first_sequence),
  records: row.records,
  toXid: BigInt(row.to_xid),
  toId: BigInt(row.to_id),
  sequencedAt: isoOf(row.sequenced_at),
  members: row.members,
  root: row.root,
  previous: row.previous,
  hash: row.hash,
});

export type Heads = ReadonlyMap<number, Block>;

/** The newest block of every shard, in one snapshot. Throws for a log that was chained in more shards. */
export async function readHeads(db: Database, shards: number): Promise<Heads> {
  const rows = await db.query<BlockRow>({
    name: 'audit-heads',
    text: `SELECT newest.* FROM generate_series(0, greatest($1::integer - 1, (SELECT max(shard) FROM audit_blocks))) AS s,
             LATERAL (SELECT * FROM audit_blocks WHERE shard = s ORDER BY number DESC LIMIT 1) AS newest`,
    values: [shards],
  });
  const heads = new Map(rows.map((row) => [row.shard, blockOf(row)]));
  const other = [...heads.keys()].find((shard) => shard >= shards);
  if (other !== undefined)
    throw new Error(`the log has a shard ${other}, and the design has ${shards} shards`);
  return heads;
}

/** All or none; false when a block number exists already: another sequencer inserted it first. */
export async function insertBlocks(db: Database, blocks: readonly Block[]): Promise<boolean> {
  const values = blocks.flatMap((block) => [
    block.shard,
    block.number,
    block.version,
    block.firstSequence,
    block.records,
    `${block.toXid}`,
    block.toId,
    block.sequencedAt,
    block.members,
    block.root,
    block.previous,
    block.hash,
  ]);
  const row = (_: Block, index: number) =>
    `(${Array.from({ length: 12 }, (__, at) => `$${index * 12 + at + 1}`).join(', ')})`;
  try {
    await db.query({
      name: `audit-blocks-${blocks.length}`,
      text: `INSERT INTO audit_blocks (shard, number, version, first_sequence, records, to_xid, to_id, sequenced_at,
                                       members, root, previous, hash)
             VALUES ${blocks.map(row).join(', ')}`,
      values,
    });
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === '23505') return false;
    throw error;
  }
}
