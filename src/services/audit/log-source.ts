/**
 * The log for the verifier: one snapshot of the database, read in pages, so memory does not grow with the log. The size
 * of the checkpoint file is read before the snapshot is taken, so the snapshot has every block the checkpoints name.
 */
import type { Database } from '../ports.ts';
import { archivedRecords } from './archive/archive-file.ts';
import { type BlockRow, blockOf } from './block-store.ts';
import type { LogSource, RetiredPartition } from './chain/verification.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import type { AuditRecord } from './contract.ts';
import { isoOf, type RecordRow, recordColumns, recordOf } from './record-row.ts';

const PAGE_RECORDS = 5_000;
// Of up to 280 kB each.
const PAGE_BLOCKS = 20;

export interface LogSnapshot extends LogSource {
  /** Ends the snapshot. */
  close(): Promise<void>;
}

/** `db` must be one connection, and is in a transaction until `close`. */
export async function openLogSnapshot(
  db: Database,
  given: {
    checkpoints: CheckpointFile | null;
    /** Path of the archive of a retired partition; null: not given. */
    archiveFile?: (retired: RetiredRow) => string | null;
  },
): Promise<LogSnapshot> {
  const { checkpoints, archiveFile } = given;
  const untilByte = (await checkpoints?.size()) ?? 0;
  await db.query({ text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' });
  // The snapshot is taken by the first statement, not by BEGIN.
  await db.query({ text: 'SELECT pg_current_snapshot()' });
  return {
    async shards() {
      const rows = await db.query<{ shard: number }>({
        text: `WITH RECURSIVE known AS (
                 (SELECT min(shard) AS shard FROM audit_blocks)
                 UNION ALL SELECT (SELECT min(shard) FROM audit_blocks WHERE shard > known.shard) FROM known WHERE shard IS NOT NULL
               ) SELECT shard FROM known WHERE shard IS NOT NULL`,
      });
      return rows.map(({ shard }) => shard);
    },
    blocks: (shard) => readBlocks(db, shard),
    records: () => readRecords(db),
    async *checkpoints() {
      if (checkpoints) yield* checkpoints.lines(untilByte);
    },
    retired: () => readRetired(db),
    archive(retired) {
      const file = archiveFile?.(retired as RetiredRow) ?? null;
      return file === null ? null : archivedRecords(file);
    },
    async close() {
      await db.query({ text: 'COMMIT' });
    },
  };
}

async function* readBlocks(db: Database, shard: number) {
  for (let after = '0'; ; ) {
    const rows = await db.query<BlockRow>({
      name: 'audit-log-blocks',
      text: `SELECT * FROM audit_blocks WHERE shard = $1 AND number > $2 ORDER BY number LIMIT ${PAGE_BLOCKS}`,
      values: [shard, after],
    });
    for (const row of rows) yield blockOf(row);
    if (rows.length < PAGE_BLOCKS) return;
    after = rows.at(-1)!.number;
  }
}

async function* readRecords(db: Database): AsyncIterable<AuditRecord> {
  await db.query({ text: 'SET LOCAL enable_sort = off' });
  await db.query({
    text: `DECLARE audit_records NO SCROLL CURSOR FOR
             SELECT ${recordColumns} FROM audit_everything ORDER BY xid, id`,
  });
  try {
    for (;;) {
      const rows = await db.query<RecordRow>({ text: `FETCH ${PAGE_RECORDS} FROM audit_records` });
      for (const row of rows) yield recordOf(row);
      if (rows.length < PAGE_RECORDS) return;
    }
  } finally {
    await db.query({ text: 'CLOSE audit_records' });
  }
}

export interface RetiredRow extends RetiredPartition {
  readonly file: string;
  readonly reason: string;
}

export async function readRetired(db: Database): Promise<RetiredRow[]> {
  const rows = await db.query<RetiredPartition & { file: string; reason: string; records: string }>(
    {
      text: `SELECT partition, from_at AS "from", to_at AS "to", records, encode(digest, 'hex') AS digest, file, reason,
                  retired_at AS "retiredAt"
             FROM audit_retired ORDER BY retired_at, partition`,
    },
  );
  return rows.map((row) => ({
    ...row,
    from: isoOf(row.from),
    to: isoOf(row.to),
    retiredAt: isoOf(row.retiredAt),
    records: Number(row.records),
  }));
}
