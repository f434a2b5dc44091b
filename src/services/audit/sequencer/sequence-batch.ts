/**
 * Reads the next batch of unsequenced records and inserts their blocks. The order is (xid, id), and only transactions
 * older than every running one are read: whatever commits later sorts later, so no record is skipped, however long a
 * transaction runs and in whatever order ids were drawn.
 */
import { setImmediate } from 'node:timers/promises';
import { type Database, isoFromUs } from '../../ports.ts';
import { type Heads, insertBlocks } from '../block-store.ts';
import { type Block, makeBlock, shardOf } from '../chain/block.ts';
import { unixMicroseconds } from '../chain/encoding.ts';
import type { AuditRecord } from '../contract.ts';
import { type RecordRow, recordColumns, recordOf } from '../record-row.ts';

const YIELD_ABOVE_RECORDS = 200;

export interface Batch {
  /** Null: another sequencer inserted these blocks first; read the heads again. */
  readonly heads: Heads | null;
  readonly records: number;
  /** When PostgreSQL received the oldest of them. */
  readonly oldestUs: number;
}

export interface BatchOptions {
  readonly shards: number;
  readonly maxRecords: number;
}

/** For this session: with the stale statistics of a young log the planner would sort all of it. */
export async function forceIndexScans(db: Database): Promise<void> {
  await db.query({
    text: `SELECT set_config(name, 'off', false)
             FROM unnest(ARRAY['enable_seqscan', 'enable_bitmapscan', 'enable_sort']) AS name`,
  });
}

export async function sequenceBatch(
  db: Database,
  given: { heads: Heads; options: BatchOptions; nowUs: number },
): Promise<Batch> {
  const { heads, options } = given;
  const from = lastBatchEnd(heads);
  const rows = await db.query<RecordRow>({
    name: 'audit-next-batch',
    text: `SELECT ${recordColumns} FROM audit_logs
            WHERE (xid, id) > ($1::xid8, $2::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY xid, id LIMIT $3`,
    values: [`${from.xid}`, from.id, options.maxRecords],
  });
  const records = rows.map(recordOf);
  const last = records.at(-1);
  if (!last) return { heads, records: 0, oldestUs: given.nowUs };
  const blocks = await makeBlocks(records, {
    heads,
    shards: options.shards,
    end: {
      toXid: BigInt(last.xid),
      toId: BigInt(last.id),
      sequencedAt: isoFromUs(Math.max(given.nowUs, from.sequencedAtUs)),
    },
  });
  const added = await insertBlocks(db, blocks);
  return {
    heads: added
      ? new Map([...heads, ...blocks.map((block) => [block.shard, block] as const)])
      : null,
    records: added ? records.length : 0,
    oldestUs: records.reduce(
      (oldest, { receivedAt }) => Math.min(oldest, unixMicroseconds(receivedAt)),
      given.nowUs,
    ),
  };
}

/** When PostgreSQL received the oldest record that is in no block yet; null: there is none. */
export async function oldestUnsequencedUs(db: Database, heads: Heads): Promise<number | null> {
  const from = lastBatchEnd(heads);
  const [row] = await db.query<{ us: string | null }>({
    name: 'audit-waiting',
    text: `SELECT (extract(epoch FROM min(received_at)) * 1000000)::bigint AS us
             FROM (SELECT received_at FROM audit_logs WHERE (xid, id) > ($1::xid8, $2::bigint)
                    ORDER BY xid, id LIMIT 1000) AS waiting`,
    values: [`${from.xid}`, from.id],
  });
  return row?.us ? Number(row.us) : null;
}

/** The end of the newest batch: its blocks are still heads of their shards. */
function lastBatchEnd(heads: Heads): { xid: bigint; id: bigint; sequencedAtUs: number } {
  let position = { xid: 0n, id: 0n, sequencedAtUs: 0 };
  for (const { toXid, toId, sequencedAt } of heads.values())
    if (toXid > position.xid || (toXid === position.xid && toId > position.id))
      position = { xid: toXid, id: toId, sequencedAtUs: unixMicroseconds(sequencedAt) };
  return position;
}

async function makeBlocks(
  records: readonly AuditRecord[],
  given: { heads: Heads; shards: number; end: Parameters<typeof makeBlock>[3] },
): Promise<Block[]> {
  const byShard = new Map<number, AuditRecord[]>();
  for (const record of records) {
    const shard = shardOf(record.organisationId, given.shards);
    const members = byShard.get(shard);
    if (members) members.push(record);
    else byShard.set(shard, [record]);
  }
  const blocks: Block[] = [];
  for (const [shard, members] of [...byShard].sort(([a], [b]) => a - b)) {
    // Hashing blocks the event loop for about 5 us a record: requests wait, and so does the event that the parent is gone.
    if (records.length > YIELD_ABOVE_RECORDS) await setImmediate();
    blocks.push(makeBlock(given.heads.get(shard) ?? null, shard, members, given.end));
  }
  return blocks;
}
