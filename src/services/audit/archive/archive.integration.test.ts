/** Archiving and attaching a month: every row is preserved, and the log verifies at each step. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { openAuditKeys } from '../audit-keys.ts';
import {
  addEvents,
  chained,
  clock,
  makeLog,
  random,
  startSequencer,
  verify,
  type WatchedSequencer,
} from '../fixtures/chained-log.ts';
import type { RetiredRow } from '../log-source.ts';
import type { DedicatedConnection } from '../sequencer/sequencer.ts';
import { migrateToMonthly } from '../storage.ts';
import { archivePartition, attachArchive } from './archive.ts';
import { ArchiveError, checkArchive } from './archive-file.ts';

const { postgres } = sharedStores('archive');
const operator = { clock, random, region: 'us' };
let directory: string;
let db: DedicatedConnection;
let sequencer: WatchedSequencer;
let schema: string;
let total = 0;
const monthUs = 31 * 86_400e6;
const monthAgo = (months: number) => new Date(clock.nowUs() / 1_000 - (months * monthUs) / 1_000);
const monthName = (months: number) => monthAgo(months).toISOString().slice(0, 7);

let count = 0;
async function setUp() {
  directory = await mkdtemp(path.join(tmpdir(), 'platform-archive-'));
  count += 1;
  schema = `log_${count}`;
  db = await makeLog(postgres.url, schema);
  // What the seeded history is: received when it happened, chained while it was one table.
  for (const months of [5, 4, 1, 0])
    await addEvents(db, 40, { atUs: monthAgo(months).getTime() * 1_000 });
  total = 160;
  sequencer = await startSequencer({ databaseUrl: postgres.url, schema, directory });
  await chained(db, total);
  await migrateToMonthly(db, {
    nowUs: clock.nowUs(),
    storage: { kind: 'monthly', liveDays: 60, indexes: ['tenant'] },
  });
}
async function tearDown() {
  await sequencer.close();
  await db.close();
  await rm(directory, { recursive: true, force: true });
}

const retire = async (month: string, minRetentionDays = 30) =>
  archivePartition(db, {
    ...operator,
    month,
    directory,
    minRetentionDays,
    reason: 'retention',
    keys: await openAuditKeys(directory),
  });

const publicKeys = async () => [(await openAuditKeys(directory)).publicKeyPem];

const fingerprint = async (month: string) => {
  const rows = await db.query<{ row: string }>({
    text: `SELECT e::text AS row FROM audit_everything AS e
            WHERE to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM') = $1 AND request_id = 'r' ORDER BY xid, id`,
    values: [month],
  });
  return rows.map(({ row }) => row);
};

describe('a month that is archived and attached', () => {
  const month = monthName(4);
  let retired: RetiredRow;
  let before: string[];
  beforeAll(setUp);
  afterAll(tearDown);

  it('moves to a file, recorded as an event in the chain', async () => {
    before = await fingerprint(month);
    expect(before).toHaveLength(40);
    expect(await verify(db, directory)).toMatchObject({ verdict: 'pass', records: total });
    retired = await retire(month);
    expect(retired).toMatchObject({ records: 40, reason: 'retention' });
    expect(await fingerprint(month)).toEqual([]);
    const [event] = await db.query<Record<string, string>>({
      text: `SELECT organisation_id, user_id, resource_id, outcome, request_id FROM audit_logs WHERE action = 'audit.retire'`,
    });
    expect(event).toEqual({
      organisation_id: '0',
      user_id: '0',
      resource_id: retired.partition,
      outcome: 'success',
      request_id: `digest:${retired.digest}`,
    });
    const recorded = await db.query<{ digest: string; rows: string }>({
      text: `SELECT encode(digest, 'hex') AS digest, records AS rows FROM audit_retired`,
    });
    expect(recorded).toEqual([{ digest: retired.digest, rows: '40' }]);
    total += 1;
    await chained(db, total);
  });

  it('leaves a log that verifies with and without the file', async () => {
    expect(await verify(db, directory)).toMatchObject({
      verdict: 'pass',
      records: total - 40,
      archived: 40,
      findings: [],
    });
    expect(await verify(db, directory, ({ file }) => file)).toMatchObject({
      verdict: 'pass',
      records: total,
      archived: 0,
      findings: [],
    });
    expect(await checkArchive(retired.file, { publicKeys: await publicKeys() })).toMatchObject({
      records: 40,
      digest: retired.digest,
    });
  });

  it('is refused when its file was changed', async () => {
    const lines = gunzipSync(await readFile(retired.file))
      .toString()
      .split('\n');
    const forged = path.join(directory, 'forged.ndjson.gz');
    const withLines = async (changed: string[]) => {
      await writeFile(forged, gzipSync(changed.join('\n')));
      return attachArchive(db, { ...operator, file: forged, publicKeys: await publicKeys() });
    };
    const edited = lines.with(3, lines[3]!.replace('project.read', 'project.list'));
    await expect(withLines(edited)).rejects.toThrow(ArchiveError);
    await expect(withLines(lines.toSpliced(5, 1))).rejects.toThrow(/does not hold/);
    await expect(withLines(lines.slice(0, -2))).rejects.toThrow(/before its trailer/);
    const other = lines.with(0, lines[0]!.replace(month.slice(0, 4), '1999'));
    await expect(withLines(other)).rejects.toThrow(/none of the keys/);
    await expect(withLines([...lines.slice(0, -1), lines[1]!])).rejects.toThrow(
      /after the trailer/,
    );
    await writeFile(forged, (await readFile(retired.file)).subarray(0, 900));
    await expect(
      attachArchive(db, { ...operator, file: forged, publicKeys: await publicKeys() }),
    ).rejects.toThrow(/cannot be read/);
  });

  it('is attached byte for byte, archived and append-only', async () => {
    const given = { ...operator, file: retired.file, publicKeys: await publicKeys() };
    await attachArchive(db, given);
    expect(await fingerprint(month)).toEqual(before);
    total += 1;
    await chained(db, total);
    expect(await verify(db, directory)).toMatchObject({
      verdict: 'pass',
      records: total,
      archived: 0,
      findings: [],
    });
    await expect(db.query({ text: `DELETE FROM ${retired.partition}` })).rejects.toThrow(
      /append-only/,
    );
    await expect(attachArchive(db, given)).rejects.toThrow(/is in the database/);
  });

  it('may be archived again', async () => {
    expect((await retire(month)).digest).toBe(retired.digest);
    total += 1;
    await chained(db, total);
    expect(await verify(db, directory, ({ file }) => file)).toMatchObject({ verdict: 'pass' });
  });
});

describe('a month that is refused', () => {
  beforeAll(setUp);
  afterAll(tearDown);

  it('is younger than the retention minimum', async () => {
    await expect(retire(monthName(4), 365)).rejects.toThrow(/stays until/);
    await expect(retire(monthName(0), 0)).rejects.toThrow(/stays until/);
  });

  it('does not exist', async () => {
    await expect(retire('2001-01')).rejects.toThrow('there is no audit_logs_2001_01');
    await expect(retire('2001-13')).rejects.toThrow('is not a month');
  });

  it('has records that are not in the chain', async () => {
    await sequencer.close();
    const [month] = await db.query<{ name: string }>({
      text: `SELECT to_char(min(occurred_at), 'YYYY-MM') AS name FROM audit_logs`,
    });
    await addEvents(db, 1, { atUs: monthAgo(1).getTime() * 1_000 });
    await expect(retire(month!.name, 0)).rejects.toThrow(/1 records of .* are not in the chain/);
    expect(await fingerprint(month!.name)).toHaveLength(41);
  });
});
