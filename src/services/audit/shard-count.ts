/**
 * Infers the number of shards from the log alone: a record is in shard `organisation mod n`, so every chained record
 * excludes values of n. The search ends when all remaining candidates map every organisation of the log to the same
 * shard; the smallest is returned. Only records that equal the member of their block are used, so that a changed row
 * cannot mislead it.
 */
import type { Database } from '../ports.ts';
import { type BlockRow, blockOf } from './block-store.ts';
import { type Block, eventIdAt, MEMBER_BYTES } from './chain/block.ts';
import { EncodingError, writeMember } from './chain/encoding.ts';
import type { AuditRecord } from './contract.ts';
import { type RecordRow, recordColumns, recordOf } from './record-row.ts';

/** Shards are numbered in 16 bits, signed in the database. */
const MAX_SHARDS = 32_768;
/** Per organisation; then the organisation is skipped. */
const MAX_RECORDS_TRIED = 20;

/** `organisations`: those the result must be right for; default: all. */
export async function inferShardCount(
  db: Database,
  organisations?: readonly string[],
): Promise<number> {
  const [row] = await db.query<{ minimum: number }>({
    text: 'SELECT coalesce(max(shard), 0) + 1 AS minimum FROM audit_blocks',
  });
  const { minimum } = row!;
  let candidates = Array.from({ length: MAX_SHARDS - minimum + 1 }, (_, more) =>
    BigInt(minimum + more),
  );
  for (const organisation of (organisations ?? (await organisationsOf(db))).map(BigInt)) {
    const shard = organisation % candidates[0]!;
    if (candidates.every((shards) => organisation % shards === shard)) continue;
    const found = await findShardOfOrganisation(db, organisation);
    const consistent = candidates.filter(
      (shards) => found !== null && organisation % shards === found,
    );
    // No candidate fits: the log is inconsistent, and the verifier reports it with any number.
    if (consistent.length > 0) candidates = consistent;
  }
  return Number(candidates[0]);
}

/** Largest ids first: they exclude the most candidates. */
async function organisationsOf(db: Database): Promise<readonly string[]> {
  const rows = await db.query<{ id: string }>({
    text: 'SELECT DISTINCT organisation_id AS id FROM audit_everything ORDER BY id DESC',
  });
  return rows.map(({ id }) => id);
}

async function findShardOfOrganisation(db: Database, organisation: bigint): Promise<bigint | null> {
  const rows = await db.query<RecordRow>({
    text: `SELECT ${recordColumns} FROM audit_everything WHERE organisation_id = $1 LIMIT ${MAX_RECORDS_TRIED}`,
    values: [organisation],
  });
  for (const record of rows.map(recordOf)) {
    const shard = await findShardOfRecord(db, record);
    if (shard !== null) return BigInt(shard);
  }
  return null;
}

/** Null: the record is in no block, or differs from its hash. */
async function findShardOfRecord(db: Database, record: AuditRecord): Promise<number | null> {
  const blocks = await db.query<BlockRow>({
    text: `SELECT around.* FROM (SELECT DISTINCT shard FROM audit_blocks) AS known, LATERAL (
             SELECT * FROM audit_blocks WHERE shard = known.shard AND (to_xid, to_id) >= ($1::xid8, $2::bigint)
              ORDER BY to_xid, to_id LIMIT 1) AS around`,
    values: [record.xid, record.id],
  });
  return blocks.map(blockOf).find((block) => containsRecord(block, record))?.shard ?? null;
}

function containsRecord({ members }: Block, record: AuditRecord): boolean {
  const own = Buffer.alloc(MEMBER_BYTES);
  try {
    writeMember(record, own, 0);
  } catch (error) {
    if (error instanceof EncodingError) return false;
    throw error;
  }
  for (let index = 0; (index + 1) * MEMBER_BYTES <= members.length; index += 1)
    if (eventIdAt(members, index) === record.eventId)
      return own.equals(members.subarray(index * MEMBER_BYTES, (index + 1) * MEMBER_BYTES));
  return false;
}
