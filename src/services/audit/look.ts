/**
 * One look for records that are not in the chain yet, and the blocks made of them. In the order (xid, id), and only of
 * transactions older than every running one: whatever commits later comes later in this order, so nothing is skipped,
 * however long a transaction runs and in whatever order numbers were given out.
 */
import { setImmediate } from 'node:timers/promises';
import { type Database, isoFromUs } from '../ports.ts';
import { type Heads, insertBlocks } from './block-store.ts';
import { type Block, makeBlock, shardOf } from './chain/block.ts';
import { unixMicroseconds } from './chain/encoding.ts';
import type { AuditRecord } from './contract.ts';
import { type RecordRow, recordColumns, recordOf } from './record-row.ts';

const unnoticed = 200;

export interface Look {
  /** Null: another sequencer was faster; read the heads again. */
  readonly heads: Heads | null;
  readonly records: number;
  /** When PostgreSQL received the oldest of them. */
  readonly oldestUs: number;
}

export interface LookSize {
  readonly shards: number;
  readonly maxRecords: number;
}

/** For the connection looks are made on: statistics of a log that has just begun to grow must not lead to a sort of all of it. */
export async function prepareLooks(db: Database): Promise<void> {
  await db.query({
    text: `SELECT set_config(name, 'off', false)
             FROM unnest(ARRAY['enable_seqscan', 'enable_bitmapscan', 'enable_sort']) AS name`,
  });
}

export async function look(
  db: Database,
  given: { heads: Heads; size: LookSize; nowUs: number },
): Promise<Look> {
  const { heads, size } = given;
  const from = positionOf(heads);
  const rows = await db.query<RecordRow>({
    name: 'audit-look',
    text: `SELECT ${recordColumns} FROM audit_logs
            WHERE (xid, id) > ($1::xid8, $2::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY xid, id LIMIT $3`,
    values: [`${from.xid}`, from.id, size.maxRecords],
  });
  const records = rows.map(recordOf);
  const last = records.at(-1);
  if (!last) return { heads, records: 0, oldestUs: given.nowUs };
  const blocks = await blocksOf(records, {
    heads,
    shards: size.shards,
    at: {
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

/** Since when the oldest record waits that a running transaction keeps out of the chain; null: none waits. */
export async function waitingSinceUs(db: Database, heads: Heads): Promise<number | null> {
  const from = positionOf(heads);
  const [row] = await db.query<{ us: string | null }>({
    name: 'audit-waiting',
    text: `SELECT (extract(epoch FROM min(received_at)) * 1000000)::bigint AS us
             FROM (SELECT received_at FROM audit_logs WHERE (xid, id) > ($1::xid8, $2::bigint)
                    ORDER BY xid, id LIMIT 1000) AS waiting`,
    values: [`${from.xid}`, from.id],
  });
  return row?.us ? Number(row.us) : null;
}

/** Where the newest look ended. Its blocks are all heads still. */
function positionOf(heads: Heads): { xid: bigint; id: bigint; sequencedAtUs: number } {
  let position = { xid: 0n, id: 0n, sequencedAtUs: 0 };
  for (const { toXid, toId, sequencedAt } of heads.values())
    if (toXid > position.xid || (toXid === position.xid && toId > position.id))
      position = { xid: toXid, id: toId, sequencedAtUs: unixMicroseconds(sequencedAt) };
  return position;
}

async function blocksOf(
  records: readonly AuditRecord[],
  given: { heads: Heads; shards: number; at: Parameters<typeof makeBlock>[3] },
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
    // Hashing takes about 5 us a record, and behind it waits what else the thread does: requests, or to hear that the
    // gateway is gone.
    if (records.length > unnoticed) await setImmediate();
    blocks.push(makeBlock(given.heads.get(shard) ?? null, shard, members, given.at));
  }
  return blocks;
}
