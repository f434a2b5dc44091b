/** The append-only protection of the tables, tested as the roles of the services, logged in, and as the owner. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPostgres } from '../../sim/effects/testbed/fixtures/stores.ts';
import {
  newPassword,
  scramVerifier,
  withLogin,
} from '../../sim/effects/testbed/stores/credentials.ts';
import { DATABASE_ROLES } from '../design.ts';
import { readHeads } from './block-store.ts';
import { addEvents, clock, connect, makeLog } from './fixtures/chained-log.ts';
import { forceIndexScans, sequenceBatch } from './sequencer/sequence-batch.ts';
import type { DedicatedConnection } from './sequencer/sequencer.ts';
import { grantStorage, migrateToMonthly } from './storage.ts';

const postgres = ownPostgres('protect');
const storage = { kind: 'monthly', liveDays: 30, indexes: ['tenant', 'actor'] } as const;
const monthUs = 31 * 86_400e6;

async function monthlyLog(schema: string): Promise<DedicatedConnection> {
  const db = await makeLog(postgres.url, schema);
  await db.query({ text: 'CREATE TABLE others (id integer)' });
  for (const ago of [0, 1, 3]) await addEvents(db, 3, { atUs: clock.nowUs() - ago * monthUs });
  await migrateToMonthly(db, { nowUs: clock.nowUs(), storage });
  return db;
}

const rolesThere = async (db: DedicatedConnection) =>
  (await db.query({ text: `SELECT FROM pg_roles WHERE rolname LIKE 'platform%'` })).length;

async function growing(db: DedicatedConnection): Promise<string[]> {
  const rows = await db.query<{ name: string }>({
    text: 'SELECT name::text FROM audit_tables() AS name ORDER BY 1',
  });
  return rows.map(({ name }) => name);
}

const changes = (table: string, column = 'ctid') => [
  `UPDATE ${table} SET ${column === 'ctid' ? 'records = 0' : `${column} = 'x'`}`,
  `DELETE FROM ${table}`,
  `TRUNCATE ${table}`,
];

const changesOf = (table: string) =>
  changes(table, /blocks|retired/.test(table) ? 'ctid' : 'action');

describe('on a server that is not ours', () => {
  let db: DedicatedConnection;
  beforeAll(async () => {
    db = await monthlyLog('theirs');
    await grantStorage(db);
  });
  afterAll(() => db.close());

  it('creates no role, and refuses the owner', async () => {
    expect(await rolesThere(db)).toBe(0);
    const tables = await growing(db);
    expect(tables.length).toBeGreaterThanOrEqual(8);
    expect(tables).toEqual(expect.arrayContaining(['audit_logs', 'audit_archive', 'audit_blocks']));
    for (const table of tables)
      for (const text of changesOf(table))
        await expect(db.query({ text }), text).rejects.toThrow(/append-only/);
    await expect(db.query({ text: 'TRUNCATE audit_logs CASCADE' })).rejects.toThrow(/append-only/);
  });

  it('refuses the owner with session_replication_role = replica', async () => {
    await db.query({ text: 'SET session_replication_role = replica' });
    await expect(db.query({ text: `UPDATE audit_logs SET action = 'x'` })).rejects.toThrow(
      /append-only/,
    );
    await db.query({ text: 'RESET session_replication_role' });
  });

  it('protects partitions that are created later', async () => {
    await db.query({ text: `SELECT audit_ensure_months('2031-01-01Z', '2031-02-01Z')` });
    for (const text of changesOf('audit_logs_2031_02'))
      await expect(db.query({ text }), text).rejects.toThrow(/append-only/);
  });

  it('keeps the protection when a partition moves to the archive', async () => {
    const [moved] = await db.query<{ moved: number }>({
      text: `SELECT audit_archive_before(now() + interval '10 days') AS moved`,
    });
    expect(moved!.moved).toBeGreaterThan(0);
    for (const table of await growing(db))
      await expect(db.query({ text: `DELETE FROM ${table}` }), table).rejects.toThrow(
        /append-only/,
      );
  });
});

describe('on a server of our own', () => {
  let owner: DedicatedConnection;
  let service: DedicatedConnection;
  let sequencer: DedicatedConnection;
  const logIn = async (role: string) => {
    const login = { role, password: newPassword() };
    const verifier = scramVerifier(login.password);
    await owner.query({ text: `ALTER ROLE ${role} LOGIN PASSWORD '${verifier}'` });
    return connect(withLogin(postgres.url, login), 'platform');
  };
  beforeAll(async () => {
    owner = await monthlyLog('platform');
    service = await logIn(DATABASE_ROLES.gateway);
    sequencer = await logIn(DATABASE_ROLES.sequencer);
  });
  afterAll(() => Promise.all([owner.close(), service.close(), sequencer.close()]));

  it('lets the service insert and read, and change other tables', async () => {
    expect(await rolesThere(owner)).toBe(2);
    const [before] = await service.query<{ records: string }>({
      text: 'SELECT count(*) AS records FROM audit_everything',
    });
    await addEvents(service, 3);
    const [after] = await service.query<{ records: string }>({
      text: 'SELECT count(*) AS records FROM audit_everything',
    });
    expect(Number(after!.records)).toBe(Number(before!.records) + 3);
    await service.query({ text: 'INSERT INTO others VALUES (1)' });
    await service.query({ text: 'UPDATE others SET id = 2' });
    await service.query({ text: 'DELETE FROM others' });
    await service.query({ text: `INSERT INTO audit_subject_keys VALUES (1, 'x', now(), NULL)` });
    await service.query({
      text: 'UPDATE audit_subject_keys SET wrapped = NULL, erased_at = now()',
    });
  });

  it('lets the sequencer chain new records, and nothing else', async () => {
    await forceIndexScans(sequencer);
    const options = { shards: 4, maxRecords: 1_000 };
    const heads = await readHeads(sequencer, options.shards);
    const batch = await sequenceBatch(sequencer, { heads, options, nowUs: clock.nowUs() });
    expect(batch.records).toBeGreaterThan(3);
    expect((await readHeads(owner, options.shards)).size).toBe(batch.heads!.size);
    for (const text of [
      'INSERT INTO audit_logs SELECT * FROM audit_logs LIMIT 0',
      'SELECT FROM audit_subject_keys',
      'INSERT INTO others VALUES (1)',
      'SELECT FROM others',
      ...changesOf('audit_blocks'),
    ])
      await expect(sequencer.query({ text }), text).rejects.toThrow(/permission denied/);
  });

  it('refuses the service every change, also through the view, and the tables themselves', async () => {
    for (const table of await growing(owner))
      for (const text of changesOf(table))
        await expect(service.query({ text }), text).rejects.toThrow(/permission denied/);
    for (const text of [
      ...changes('audit_everything', 'action').slice(0, 2),
      'DROP TABLE audit_logs',
      'ALTER TABLE audit_logs DISABLE TRIGGER ALL',
      'CREATE TABLE platform.mine (id integer)',
      'SET session_replication_role = replica',
      'INSERT INTO audit_blocks SELECT * FROM audit_blocks LIMIT 0',
      'INSERT INTO audit_archive SELECT * FROM audit_archive LIMIT 0',
      'INSERT INTO audit_retired SELECT * FROM audit_retired LIMIT 0',
    ])
      await expect(service.query({ text }), text).rejects.toThrow(
        /permission denied|must be owner|cannot (update|delete from) view/,
      );
  });

  it('gives the services no way to the rights of another role', async () => {
    for (const role of [service, sequencer]) {
      expect(
        await role.query({
          text: `SELECT (SELECT count(*)::int FROM pg_auth_members m WHERE m.member = r.oid) AS memberships,
                        (SELECT count(*)::int FROM pg_class c WHERE c.relowner = r.oid) AS tables,
                        (SELECT count(*)::int FROM pg_proc p WHERE p.proowner = r.oid) AS functions,
                        rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AS extra
                   FROM pg_roles r WHERE rolname = session_user AND rolname = current_user`,
        }),
      ).toEqual([{ memberships: 0, tables: 0, functions: 0, extra: false }]);
      await role.query({ text: 'RESET ROLE' });
      for (const text of [
        'SET ROLE postgres',
        'SET SESSION AUTHORIZATION postgres',
        `ALTER ROLE ${DATABASE_ROLES.gateway} SUPERUSER`,
        `GRANT postgres TO ${DATABASE_ROLES.gateway}`,
        `CREATE ROLE mine`,
        'CREATE SCHEMA mine',
        'CREATE TABLE public.mine (id integer)',
        `CREATE FUNCTION platform.audit_refuse() RETURNS trigger LANGUAGE sql AS 'SELECT 1'`,
        'ALTER TABLE audit_logs OWNER TO CURRENT_USER',
        'DROP TRIGGER audit_append_only ON audit_logs',
        'DROP SCHEMA platform CASCADE',
        'ALTER SYSTEM SET fsync = off',
        `COPY others TO PROGRAM 'true'`,
        'SELECT * FROM pg_authid',
        `SELECT audit_grant('${DATABASE_ROLES.gateway}', '${DATABASE_ROLES.sequencer}')`,
        'SELECT audit_archive_before(now())',
      ])
        await expect(role.query({ text }), text).rejects.toThrow(
          /permission denied|must be|only roles with|detach/i,
        );
    }
  });

  it('runs no function with the rights of the owner on a table of the caller', async () => {
    expect(
      await owner.query({
        text: `SELECT proname AS name, proconfig AS config FROM pg_proc
                WHERE prosecdef AND pronamespace = 'platform'::regnamespace`,
      }),
    ).toEqual([
      {
        name: 'audit_ensure_months',
        config: [expect.stringMatching(/^search_path=platform.*, pg_temp$/)],
      },
    ]);
  });

  it('lets the service create months, which are protected and accessible', async () => {
    const text = `SELECT audit_ensure_months('2032-01-01Z', '2032-01-01Z') AS made`;
    expect(await service.query({ text })).toEqual([{ made: 1 }]);
    await addEvents(service, 1, { atUs: Date.parse('2032-01-05T00:00:00Z') * 1_000 });
    for (const change of changesOf('audit_logs_2032_01')) {
      await expect(service.query({ text: change })).rejects.toThrow(/permission denied/);
      await expect(owner.query({ text: change })).rejects.toThrow(/append-only/);
    }
  });
});

describe('a log that is one table', () => {
  it('is protected as well, and cannot be changed through its view', async () => {
    const db = await makeLog(postgres.url, 'flat');
    await addEvents(db, 1);
    for (const table of [...(await growing(db)), 'audit_everything'])
      await expect(db.query({ text: `DELETE FROM ${table}` }), table).rejects.toThrow(
        /append-only/,
      );
    await db.close();
  });
});
