/** Every user belongs to an organisation from registration on, and sessions contain its id, in every store. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { findDesign } from '../../lineage.ts';
import type { Database, Statement } from '../../ports.ts';
import { createUserStore } from '../../sessions/accounts/user-store.ts';
import { createRowPerRequestStore } from '../../sessions/row-per-request-store.ts';
import { seedSessions } from '../../sessions/seed-sessions.ts';
import { openDatabase, type PooledDatabase } from '../clients.ts';
import { origin } from '../fixtures/members.ts';
import {
  type Platform,
  prepareSchema,
  schemaUrl,
  sessionKey,
  startPlatform,
  unrecorded,
  usersWithoutHistory,
} from '../fixtures/platform.ts';
import { systemClock, systemRandom } from '../system.ts';

const size = usersWithoutHistory(20);
const schema = 'organisations';
const first = findDesign('turn1.before');

const { postgres, redis } = sharedStores('organisations');
let db: PooledDatabase;

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design: first, size });
  db = openDatabase({
    databaseUrl: schemaUrl(postgres.url, schema),
    design: first.database,
    applicationName: 'organisations',
    onConnectionError: () => {}, // The statement that meets it says so.
  });
});
afterAll(() => db?.close());

const people = () =>
  db.query<{ id: string; email: string; organisationId: string; name: string }>({
    text: `SELECT u.id, email, o.id AS "organisationId", o.name FROM organisations o
             LEFT JOIN users u ON u.organisation_id = o.id ORDER BY o.id`,
  });

describe('an organisation', () => {
  it('has the same id as its seeded user', async () => {
    const seeded = await people();
    expect(seeded).toHaveLength(size.users);
    for (const { id, organisationId } of seeded) expect(organisationId).toBe(id);
  });

  it('is created by a registration, and not by one that is refused', async () => {
    const users = createUserStore({ db, clock: systemClock });
    const before = (await people()).length;
    const same = Array.from({ length: 10 }, () =>
      users.create('same@example.test', 'hash', unrecorded),
    );
    expect((await Promise.all(same)).filter(({ isNew }) => isNew)).toHaveLength(1);
    const again = await users.create('same@example.test', 'hash', unrecorded);
    expect(again.isNew).toBe(false);
    const other = await users.create('other@example.test', 'hash', unrecorded);
    const made = (await people()).slice(before);
    expect(made.map(({ email, name }) => [email, name])).toEqual([
      ['same@example.test', 'same@example.test'],
      ['other@example.test', 'other@example.test'],
    ]);
    expect(made.map(({ id }) => id)).toEqual([again.user.id, other.user.id]);
  });
});

describe.each(['turn1.before', 'turn1.sample', 'turn1.after'])('a session of %s', (name) => {
  const design = findDesign(name);
  let platform: Platform;
  beforeAll(async () => {
    const given = { databaseUrl: postgres.url, schema, redisUrl: redis.url, design };
    platform = await startPlatform(given);
  });
  afterAll(() => platform?.stop());

  it('has the organisation from login on, also when renewed and after a change of password', async () => {
    const { sessions } = platform.services;
    const [mine] = await db.query<{ organisationId: string }>({
      text: `INSERT INTO organisations (name, created_at) VALUES ('another', now()) RETURNING id AS "organisationId"`,
    });
    const values = [mine!.organisationId];
    await db.query({ text: 'UPDATE users SET organisation_id = $1 WHERE id = 5', values });
    const made = await platform.login('5');
    const renewed = (await sessions.renew(made.token, origin))!;
    const hashes = { from: '', to: name };
    const [row] = await db.query<{ hash: string }>({
      text: 'SELECT password_hash AS hash FROM users WHERE id = 5',
    });
    hashes.from = row!.hash;
    const changed = (await sessions.changePassword(renewed.session, hashes, origin))!;
    for (const { session } of [made, renewed, changed]) expect(session).toMatchObject(mine!);
    // Read by a check: without a copy, and with one.
    for (let again = 0; again < 2; again += 1)
      expect(await sessions.check(changed.token)).toEqual(changed.session);
  });

  it('has it when it is seeded', async () => {
    const given = { db, redis: platform.redis, keyPrefix: `test:${schema}:` };
    const [seeded] = await seedSessions(['7'], {
      ...given,
      clock: systemClock,
      random: systemRandom,
      sessionKey,
      design: design.sessions,
    });
    expect(seeded).toMatchObject({ userId: '7', organisationId: '7' });
    const session = await platform.services.sessions.check(seeded!.token);
    expect(session).toMatchObject({ userId: '7', organisationId: '7' });
  });
});

it('a row per request costs two statements, and one when it is refused', async () => {
  const statements: string[] = [];
  const counted: Database = {
    query(statement: Statement) {
      statements.push(statement.name ?? statement.text);
      return db.query(statement);
    },
  };
  const store = createRowPerRequestStore({
    db: { ...counted, transaction: db.transaction },
    design: first.sessions,
    clock: systemClock,
    random: systemRandom,
  });
  const [seeded] = await seedSessions(['9'], {
    db,
    redis: null as never,
    keyPrefix: '',
    clock: systemClock,
    random: systemRandom,
    sessionKey,
    design: first.sessions,
  });
  const session = await store.check(seeded!.token);
  expect(statements).toEqual(['sessions-find']);
  await store.touch(session!);
  expect(statements).toEqual(['sessions-find', 'sessions-seen']);
  // While PostgreSQL is down, only the user of the failed statement gets an error.
  const lost = createRowPerRequestStore({
    design: first.sessions,
    clock: systemClock,
    random: systemRandom,
    db: { query: () => Promise.reject(new Error('gone')), transaction: db.transaction },
  });
  void lost.touch(session!);
  await expect(lost.touch(session!)).rejects.toThrow('gone');
});
