/** What `AuditAdmin` infers from the log and what it takes from the design: shards, region, retention. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { verifyLog } from '../../audit/chain/verify.ts';
import { openLogSnapshot } from '../../audit/log-source.ts';
import { inferShardCount } from '../../audit/shard-count.ts';
import { isoFromUs, timeOrderedId } from '../../ports.ts';
import { monthsAgo, type OldLog, openOldLog } from '../fixtures/old-log.ts';
import { systemClock, systemRandom } from '../system.ts';
import { type AuditAdmin, openAuditAdmin } from './audit-admin.ts';

const { postgres } = sharedStores('audit-admin');
let stateDirectory: string;
let log: OldLog;
let admin: AuditAdmin;
let count = 0;

beforeEach(async () => {
  stateDirectory = await mkdtemp(path.join(tmpdir(), 'platform-admin-'));
});
afterEach(async () => {
  await admin?.close();
  await log?.close();
  await rm(stateDirectory, { recursive: true, force: true });
});

async function setUp(given: { shards?: number; rows?: number; region?: string } = {}) {
  const { shards = 8, region, ...size } = given;
  count += 1;
  const schema = `admin_${count}`;
  log = await openOldLog({ databaseUrl: postgres.url, schema, stateDirectory, shards, ...size });
  const target = { databaseUrl: log.databaseUrl, stateDirectory };
  admin = await openAuditAdmin({ ...target, ...(region === undefined ? {} : { region }) });
}

async function addEvent(organisation: number, region = 'us'): Promise<string> {
  const eventId = timeOrderedId(systemClock.nowUs(), systemRandom.uuid());
  await log.db.query({
    text: `INSERT INTO audit_logs (event_id, occurred_at, organisation_id, user_id, action, resource_type, outcome,
                                   request_id, region, service)
           VALUES ($1, $2, $3, 1, 'project.read', 'project', 'success', 'r', $4, 'test')`,
    values: [eventId, isoFromUs(systemClock.nowUs()), organisation, region],
  });
  return eventId;
}

const everything = async () => {
  const [found] = await log.db.query<{ rows: string; retired: string }>({
    text: `SELECT (SELECT count(*) FROM audit_everything) AS rows, (SELECT count(*) FROM audit_retired) AS retired`,
  });
  return { ...found, files: await readdir(stateDirectory) };
};

describe('the number of shards', () => {
  it.each([1, 3, 8, 11, 64])('is read from a log that has %i', async (shards) => {
    await setUp({ shards });
    expect(await admin.verify({ archives: [] })).toMatchObject({
      verdict: 'pass',
      records: 1_200,
      notSequenced: 0,
    });
    const organisation = 7 + 1_000 * shards;
    const eventId = await addEvent(organisation);
    await log.chain();
    expect((await admin.prove(eventId)).document.proof.shard).toBe(7 % shards);
    const tenant = String(organisation);
    const lines: string[] = [];
    for await (const line of admin.exportLines({ format: 'csv', tenant })) lines.push(line);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain(eventId);
    expect(await admin.verify({ archives: [] })).toMatchObject({ verdict: 'pass', records: 1_201 });
  });

  it('other than that of the log makes an honest log fail', async () => {
    await setUp({ shards: 3 });
    for (const [shards, verdict] of [
      [3, 'pass'],
      [8, 'fail'],
    ] as const) {
      const source = await openLogSnapshot(log.db, { checkpoints: null });
      expect(await verifyLog(source, { publicKeys: [], shards })).toMatchObject({ verdict });
      await source.close();
    }
  });

  it('is any consistent number while few organisations have events, and exact with more', async () => {
    await setUp({ shards: 8, rows: 0 });
    for (const organisation of [0, 1, 2]) await addEvent(organisation, 'us');
    await log.chain();
    const found = await inferShardCount(log.db);
    expect([0, 1, 2].map((organisation) => organisation % found)).toEqual([0, 1, 2]);
    expect(await admin.verify({ archives: [] })).toMatchObject({ verdict: 'pass', records: 3 });
    await addEvent(11);
    // Not in the chain yet, so its shard is not known.
    expect(await admin.verify({ archives: [] })).toMatchObject({
      verdict: 'pass',
      notSequenced: 1,
    });
    await log.chain();
    expect(11 % (await inferShardCount(log.db))).toBe(3);
    expect(await admin.verify({ archives: [] })).toMatchObject({ verdict: 'pass', records: 4 });
  });

  it.each([
    [
      'a record of another organisation',
      (id: string) => `organisation_id = 4 WHERE event_id = '${id}'`,
    ],
    [
      'a record of an organisation that is none',
      (id: string) => `organisation_id = 9999 WHERE event_id = '${id}'`,
    ],
    [
      'all records of an organisation',
      () => 'organisation_id = organisation_id + 1 WHERE organisation_id = 5',
    ],
  ])('is inferred correctly despite an attack: %s', async (_name, change) => {
    await setUp();
    const [victim] = await log.db.query<{ id: string }>({
      text: 'SELECT event_id AS id FROM audit_logs WHERE organisation_id = 5 LIMIT 1',
    });
    const tables = await log.db.query<{ name: string }>({
      text: 'SELECT audit_tables()::text AS name',
    });
    for (const { name } of tables)
      await log.db.query({ text: `ALTER TABLE ${name} DISABLE TRIGGER ALL` });
    await log.db.query({ text: `UPDATE audit_logs SET ${change(victim!.id)}` });
    expect(await inferShardCount(log.db)).toBe(8);
    const { verdict, findings } = await admin.verify({ archives: [] });
    expect(verdict).toBe('fail');
    expect(findings.map(({ eventId }) => eventId)).toContain(victim!.id);
  });
});

describe('the retention', () => {
  it('cannot be lowered below that of the design, and nothing changes', async () => {
    await setUp();
    const before = await everything();
    for (const minRetentionDays of [0, 30, 364]) {
      const refused = { kind: 'usage', what: expect.stringContaining('minimum of 365 days') };
      const month = monthsAgo(16);
      const options = { directory: stateDirectory, minRetentionDays };
      await expect(admin.archive(month, options)).rejects.toMatchObject(refused);
      // A lower retention must not make an early retirement pass either.
      await expect(admin.verify({ archives: [], minRetentionDays })).rejects.toMatchObject(refused);
    }
    expect(await everything()).toEqual(before);
  });

  it('can be raised, and is the default', async () => {
    await setUp();
    const options = { directory: stateDirectory };
    await expect(admin.archive(monthsAgo(8), options)).rejects.toThrow(/is refused/);
    const raised = { ...options, minRetentionDays: 900 };
    await expect(admin.archive(monthsAgo(16), raised)).rejects.toThrow(/is refused/);
    const retired = await admin.archive(monthsAgo(16), options);
    expect(retired.records).toBeGreaterThan(50);
    await log.chain();
    expect(await admin.verify({ archives: [] })).toMatchObject({
      verdict: 'pass',
      archived: retired.records,
    });
    const strict = await admin.verify({ archives: [], minRetentionDays: 900 });
    expect(strict.findings.map(({ kind }) => kind)).toEqual(['retired-early']);
  });
});

describe("the region of an operator's actions", () => {
  const regionOf = async (action: string) => {
    const rows = await log.db.query<{ region: string }>({
      text: 'SELECT region FROM audit_logs WHERE action = $1',
      values: [action],
    });
    return rows.map(({ region }) => region);
  };

  it('is that of the newest event', async () => {
    await setUp();
    await addEvent(1, 'eu-west');
    await admin.erase('1');
    expect(await regionOf('subject.erase')).toEqual(['eu-west']);
  });

  it('or the one in the options', async () => {
    await setUp({ region: 'ap-south' });
    await admin.archive(monthsAgo(16), { directory: stateDirectory });
    expect(await regionOf('audit.retire')).toEqual(['ap-south']);
  });

  it('is not guessed for a log without events', async () => {
    await setUp({ rows: 0 });
    await expect(admin.erase('1')).rejects.toMatchObject({
      kind: 'usage',
      next: expect.stringContaining('--region'),
    });
    await admin.close();
    admin = await openAuditAdmin({ databaseUrl: log.databaseUrl, stateDirectory, region: 'us' });
    await admin.erase('1');
    expect(await regionOf('subject.erase')).toEqual(['us']);
  });
});
