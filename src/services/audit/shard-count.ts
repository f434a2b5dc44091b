/**
 * In how many shards a log is divided, from the log alone: a record is in shard organisation modulo n, so every record
 * that is in the chain narrows n down. Read until all numbers that are left put every organisation of the log into the
 * same shard; then they are one and the same for this log, and the smallest is the answer. Only a record that is, byte
 * for byte, the member of its block is believed: a changed row says nothing.
 */
import type { Database } from '../ports.ts';
import { type BlockRow, blockOf } from './block-store.ts';
import { type Block, eventIdAt, memberBytes } from './chain/block.ts';
import { EncodingError, writeMember } from './chain/encoding.ts';
import type { AuditRecord } from './contract.ts';
import { type RecordRow, recordColumns, recordOf } from './record-row.ts';

/** Shards are numbered in 16 bits, signed in the database. */
const mostShards = 32_768;
/** Records of one organisation that are tried before it is passed over. */
const tries = 20;

/** `organisations`: the only ones it has to be right about; default: all. */
export async function shardsOfLog(
  db: Database,
  organisations?: readonly string[],
): Promise<number> {
  const [known] = await db.query<{ fewest: number }>({
    text: 'SELECT coalesce(max(shard), 0) + 1 AS fewest FROM audit_blocks',
  });
  const { fewest } = known!;
  let left = Array.from({ length: mostShards - fewest + 1 }, (_, more) => BigInt(fewest + more));
  for (const organisation of (organisations ?? (await organisationsOf(db))).map(BigInt)) {
    const shard = organisation % left[0]!;
    if (left.every((shards) => organisation % shards === shard)) continue;
    const found = await shardOfOrganisation(db, organisation);
    const fit = left.filter((shards) => found !== null && organisation % shards === found);
    // None: no number makes it right, and the verifier will say so with any.
    if (fit.length > 0) left = fit;
  }
  return Number(left[0]);
}

/** Those that narrow it down most come first. */
async function organisationsOf(db: Database): Promise<readonly string[]> {
  const rows = await db.query<{ id: string }>({
    text: 'SELECT DISTINCT organisation_id AS id FROM audit_everything ORDER BY id DESC',
  });
  return rows.map(({ id }) => id);
}

async function shardOfOrganisation(db: Database, organisation: bigint): Promise<bigint | null> {
  const rows = await db.query<RecordRow>({
    text: `SELECT ${recordColumns} FROM audit_everything WHERE organisation_id = $1 LIMIT ${tries}`,
    values: [organisation],
  });
  for (const record of rows.map(recordOf)) {
    const shard = await shardOfRecord(db, record);
    if (shard !== null) return BigInt(shard);
  }
  return null;
}

/** Null: it is in no block, or not as it was hashed. */
async function shardOfRecord(db: Database, record: AuditRecord): Promise<number | null> {
  const blocks = await db.query<BlockRow>({
    text: `SELECT around.* FROM (SELECT DISTINCT shard FROM audit_blocks) AS known, LATERAL (
             SELECT * FROM audit_blocks WHERE shard = known.shard AND (to_xid, to_id) >= ($1::xid8, $2::bigint)
              ORDER BY to_xid, to_id LIMIT 1) AS around`,
    values: [record.xid, record.id],
  });
  return blocks.map(blockOf).find((block) => holds(block, record))?.shard ?? null;
}

function holds({ members }: Block, record: AuditRecord): boolean {
  const own = Buffer.alloc(memberBytes);
  try {
    writeMember(record, own, 0);
  } catch (error) {
    if (error instanceof EncodingError) return false;
    throw error;
  }
  for (let index = 0; (index + 1) * memberBytes <= members.length; index += 1)
    if (eventIdAt(members, index) === record.eventId)
      return own.equals(members.subarray(index * memberBytes, (index + 1) * memberBytes));
  return false;
}
