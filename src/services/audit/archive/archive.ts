/**
 * Archives partitions to files and attaches them again. Archiving is one transaction: a row in audit_retired, an event
 * in the log with the digest of the archived records, and DROP TABLE. The partition must be older than the retention and
 * completely in the chain, and the file is synced first. Attaching requires a file with the retired digest.
 */
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { type Clock, type Database, isoFromUs, type Random, timeOrderedId } from '../../ports.ts';
import { syncFolder } from '../../secret-file.ts';
import type { AuditKeys } from '../audit-keys.ts';
import type { AuditRecord } from '../contract.ts';
import { type RetiredRow, readRetired } from '../log-source.ts';
import { type RecordRow, recordColumns, recordOf, rowOf } from '../record-row.ts';
import {
  ArchiveError,
  type ArchiveHeader,
  archivedRecords,
  checkArchive,
  writeArchive,
} from './archive-file.ts';

/** The request is refused and the log is unchanged. */
export class ArchiveRefused extends Error {}

/** For the event that records the operator's action. */
export interface Operator {
  readonly clock: Clock;
  readonly random: Random;
  readonly region: string;
}

const PAGE_RECORDS = 5_000;
const LOCK_TIMEOUT = '5s';

export async function archivePartition(
  db: Database,
  given: Operator & {
    /** `2026-01`, UTC. */
    month: string;
    directory: string;
    keys: AuditKeys;
    reason: string;
    minRetentionDays: number;
  },
): Promise<RetiredRow> {
  const nowUs = given.clock.nowUs();
  const { partition, from, to } = monthBounds(given.month);
  const keepUntilUs = Date.parse(to) * 1_000 + given.minRetentionDays * 86_400e6;
  if (nowUs < keepUntilUs)
    throw new ArchiveRefused(`${partition} stays until ${isoFromUs(keepUntilUs)}`);
  const header = { format: 'platform-audit-archive', version: 1, partition, from, to } as const;
  const temporary = path.join(given.directory, `${partition}.${given.random.uuid()}`);
  try {
    return await inTransaction(db, async () => {
      const parent = await lockPartition(db, partition);
      const written = await writeArchive(temporary, {
        header,
        records: readPartition(db, partition),
        keys: given.keys,
      });
      const file = path.join(
        given.directory,
        `${partition}-${written.digest.slice(0, 16)}.ndjson.gz`,
      );
      await rename(temporary, file);
      await syncFolder(given.directory);
      const { reason } = given;
      const retired = {
        partition,
        from,
        to,
        ...written,
        file,
        reason,
        retiredAt: isoFromUs(nowUs),
      };
      await insertRetiredRow(db, retired);
      await recordEvent(db, {
        ...given,
        action: 'audit.retire',
        partition,
        digest: retired.digest,
      });
      await db.query({ text: `ALTER TABLE ${parent} DETACH PARTITION ${partition}` });
      await db.query({ text: `DROP TABLE ${partition}` });
      return retired;
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Attaches a retired partition to audit_archive. */
export async function attachArchive(
  db: Database,
  given: Operator & { file: string; publicKeys: readonly string[] },
): Promise<RetiredRow> {
  const archive = await checkArchive(given.file, given);
  const { partition, from, to } = archive.header;
  if (monthBounds(partition.slice(-7).replace('_', '-')).partition !== partition)
    throw new ArchiveError(`${given.file} does not name a partition of the log`);
  return await inTransaction(db, async () => {
    const retired = (await readRetired(db)).find(
      (row) => row.partition === partition && row.digest === archive.digest,
    );
    if (!retired) throw new ArchiveRefused(`no ${partition} with these records was retired here`);
    const [table] = await db.query<{ exists: boolean }>({
      text: 'SELECT to_regclass($1) IS NOT NULL AS exists',
      values: [partition],
    });
    if (table!.exists) throw new ArchiveRefused(`${partition} is in the database`);
    await db.query({ text: `CREATE TABLE ${partition} (LIKE audit_archive INCLUDING DEFAULTS)` });
    await insertRecords(db, partition, archivedRecords(given.file));
    await db.query({ text: 'SELECT audit_protect($1::regclass)', values: [partition] });
    await db.query({
      text: `ALTER TABLE audit_archive ATTACH PARTITION ${partition} FOR VALUES FROM ('${from}') TO ('${to}')`,
    });
    await recordEvent(db, { ...given, action: 'audit.attach', partition, digest: archive.digest });
    return retired;
  });
}

function monthBounds(month: string): Pick<ArchiveHeader, 'partition' | 'from' | 'to'> {
  const match = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(month);
  if (!match) throw new ArchiveRefused(`'${month}' is not a month; write it as 2026-01`);
  const [year, index] = [Number(match[1]), Number(match[2]) - 1];
  const iso = (at: number) => isoFromUs(Date.UTC(year, at) * 1_000);
  return { partition: `audit_logs_${match[1]}_${match[2]}`, from: iso(index), to: iso(index + 1) };
}

/** Blocks writes until the end of the transaction. Returns the parent table. */
async function lockPartition(db: Database, partition: string): Promise<string> {
  const [found] = await db.query<{ parent: string }>({
    text: `SELECT inhparent::regclass::text AS parent FROM pg_inherits WHERE inhrelid = to_regclass($1)`,
    values: [partition],
  });
  if (!found) throw new ArchiveRefused(`there is no ${partition}`);
  await db.query({ text: `LOCK TABLE ${partition} IN SHARE MODE` });
  const [unsequenced] = await db.query<{ records: string }>({
    text: `SELECT count(*) AS records FROM ${partition}
            WHERE NOT EXISTS (SELECT FROM audit_blocks) OR (xid, id) >
                  (SELECT to_xid, to_id FROM audit_blocks ORDER BY to_xid DESC, to_id DESC LIMIT 1)`,
  });
  if (unsequenced!.records !== '0')
    throw new ArchiveRefused(
      `${unsequenced!.records} records of ${partition} are not in the chain yet`,
    );
  return found.parent;
}

async function* readPartition(db: Database, partition: string): AsyncIterable<AuditRecord> {
  await db.query({
    text: `DECLARE retiring NO SCROLL CURSOR FOR SELECT ${recordColumns} FROM ${partition} ORDER BY xid, id`,
  });
  for (;;) {
    const rows = await db.query<RecordRow>({ text: `FETCH ${PAGE_RECORDS} FROM retiring` });
    for (const row of rows) yield recordOf(row);
    if (rows.length < PAGE_RECORDS) break;
  }
  // DROP TABLE fails while a cursor is open on the table.
  await db.query({ text: 'CLOSE retiring' });
}

async function insertRecords(
  db: Database,
  partition: string,
  records: AsyncIterable<AuditRecord>,
): Promise<void> {
  let page: unknown[] = [];
  const flush = async () => {
    await db.query({
      text: `INSERT INTO ${partition} (${recordColumns})
             SELECT ${recordColumns} FROM json_populate_recordset(NULL::audit_logs, $1)`,
      values: [JSON.stringify(page)],
    });
    page = [];
  };
  for await (const record of records) {
    const { sealed, ...row } = rowOf(record);
    page.push({ ...row, sealed: sealed && `\\x${sealed.toString('hex')}` });
    if (page.length === PAGE_RECORDS) await flush();
  }
  if (page.length > 0) await flush();
}

async function insertRetiredRow(db: Database, row: RetiredRow): Promise<void> {
  await db.query({
    text: `INSERT INTO audit_retired (partition, from_at, to_at, records, digest, file, reason, retired_at)
           VALUES ($1, $2, $3, $4, decode($5, 'hex'), $6, $7, $8)`,
    values: [
      row.partition,
      row.from,
      row.to,
      row.records,
      row.digest,
      row.file,
      row.reason,
      row.retiredAt,
    ],
  });
}

/** An event of the platform, organisation and user 0. Its request id has the digest, which the chain thereby covers. */
async function recordEvent(
  db: Database,
  given: Operator & { action: string; partition: string; digest: string },
): Promise<void> {
  const nowUs = given.clock.nowUs();
  await db.query({
    text: `INSERT INTO audit_logs (event_id, occurred_at, organisation_id, user_id, action, resource_type, resource_id,
                                   outcome, request_id, region, service)
           VALUES ($1, $2, 0, 0, $3, 'audit-partition', $4, 'success', $5, $6, 'operator')`,
    values: [
      timeOrderedId(nowUs, given.random.uuid()),
      isoFromUs(nowUs),
      given.action,
      given.partition,
      `digest:${given.digest}`,
      given.region,
    ],
  });
}

async function inTransaction<Result>(db: Database, work: () => Promise<Result>): Promise<Result> {
  await db.query({ text: 'BEGIN' });
  try {
    await db.query({ text: `SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'` });
    const result = await work();
    await db.query({ text: 'COMMIT' });
    return result;
  } catch (error) {
    // The first error is reported; a broken connection rolls back anyway.
    await db.query({ text: 'ROLLBACK' }).catch(() => null);
    throw error;
  }
}
