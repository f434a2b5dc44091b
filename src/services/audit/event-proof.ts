/**
 * Reads the proof of one event from the database and the checkpoint file: its record, its block, and the blocks from
 * there to the first checkpoint that covers it, usually a few batches later.
 */
import type { Database } from '../ports.ts';
import { type BlockRow, blockOf } from './block-store.ts';
import { type Block, eventIdAt, shardOf } from './chain/block.ts';
import { readCheckpoint } from './chain/checkpoint.ts';
import { type Proof, proveRecord } from './chain/proof.ts';
import { findCheckpoint } from './checkpoint-search.ts';
import type { AuditRecord } from './contract.ts';
import { type RecordRow, recordColumns, recordOf } from './record-row.ts';
import { type LogReaders, occurredAtRange } from './search/search.ts';

/** Keeps proofs small. Without a checkpoint for longer than this, only `verify` can prove the log. */
const MAX_BLOCKS = 1_000;

export interface Evidence {
  readonly record: AuditRecord;
  /** From the block of the record to the one the checkpoint names. */
  readonly blocks: readonly Block[];
  /** Of the record in the first block. */
  readonly index: number;
  readonly checkpoint: string;
}

/** `readers` null: the platform's own tools, which read every organisation. */
export async function gatherEvidence(
  given: { readonly db: Database; readonly checkpointFile: string; readonly shards: number },
  readers: LogReaders | null,
  eventId: string,
): Promise<Evidence | 'not-sequenced' | null> {
  const { db, checkpointFile } = given;
  const record = await findRecord(db, readers, eventId);
  if (record === null) return null;
  const shard = shardOf(record.organisationId, given.shards);
  const block = await findBlock(db, shard, record);
  const index = block === null ? -1 : memberIndexOf(block, record.eventId);
  if (block === null || index < 0) return 'not-sequenced';
  const checkpoint = await findCheckpoint(checkpointFile, { shard, block: block.number });
  if (checkpoint === null) return 'not-sequenced';
  const head = readCheckpoint(checkpoint).shards.find((one) => one.shard === shard)!;
  const blocks = [block, ...(await blocksAfter(db, block, BigInt(head.blocks)))];
  return { record, blocks, index, checkpoint };
}

async function findRecord(
  db: Database,
  readers: LogReaders | null,
  eventId: string,
): Promise<AuditRecord | null> {
  const around = occurredAtRange(eventId);
  if (around === null) return null;
  const [row] = await db.query<RecordRow>({
    name: 'audit-find-record',
    text: `SELECT ${recordColumns} FROM audit_everything
            WHERE event_id = $1 AND occurred_at BETWEEN $2 AND $3 AND ($4::bigint IS NULL OR organisation_id = $4)
              AND ($5::bigint IS NULL OR user_id = $5)`,
    values: [eventId, ...around, readers?.organisationId ?? null, readers?.ownerId ?? null],
  });
  return row === undefined ? null : recordOf(row);
}

/** The first block of the shard that ends at or after the record. */
async function findBlock(db: Database, shard: number, record: AuditRecord) {
  const [row] = await db.query<BlockRow>({
    name: 'audit-block-around',
    text: `SELECT * FROM audit_blocks WHERE shard = $1 AND (to_xid, to_id) >= ($2::xid8, $3::bigint)
            ORDER BY to_xid, to_id LIMIT 1`,
    values: [shard, record.xid, record.id],
  });
  return row === undefined ? null : blockOf(row);
}

function memberIndexOf({ members, records }: Block, eventId: string): number {
  for (let index = 0; index < records; index += 1)
    if (eventIdAt(members, index) === eventId) return index;
  return -1;
}

async function blocksAfter(db: Database, { shard, number }: Block, last: bigint): Promise<Block[]> {
  if (last - number > MAX_BLOCKS) throw new Error(`${last - number} blocks without a checkpoint`);
  const rows = await db.query<BlockRow>({
    name: 'audit-blocks-after',
    text: `SELECT shard, number, version, first_sequence, records, to_xid, to_id, sequenced_at, ''::bytea AS members,
                  root, previous, hash
             FROM audit_blocks WHERE shard = $1 AND number > $2 AND number <= $3 ORDER BY number`,
    values: [shard, number, last],
  });
  return rows.map(blockOf);
}

export interface EventProof {
  /** Verifiable without the log: the record, its proof, and the signed checkpoint line. */
  readonly document: {
    readonly format: 'platform-audit-proof';
    readonly version: 1;
    /** As it was hashed; ciphertext in base64. */
    readonly record: Omit<AuditRecord, 'sealed'> & { readonly sealed: string | null };
    readonly proof: Proof;
    readonly checkpoint: string;
  };
  readonly evidence: Evidence;
}

export type ProveEvent = (
  readers: LogReaders | null,
  eventId: string,
) => Promise<EventProof | 'not-sequenced' | null>;

export const createEventProof =
  (given: Parameters<typeof gatherEvidence>[0]): ProveEvent =>
  async (readers, eventId) => {
    const evidence = await gatherEvidence(given, readers, eventId);
    if (evidence === null || evidence === 'not-sequenced') return evidence;
    const { record, checkpoint } = evidence;
    const document = {
      format: 'platform-audit-proof' as const,
      version: 1 as const,
      record: { ...record, sealed: record.sealed?.toString('base64') ?? null },
      proof: proveRecord(evidence),
      checkpoint,
    };
    return { document, evidence };
  };
