/**
 * Keys and agents on a PostgreSQL of this file's own: their lives, as the process that changes them sees it and as
 * another one does; whose they are; what stands in the tables; and what is known when PostgreSQL goes away.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPostgres } from '../../sim/effects/testbed/fixtures/stores.ts';
import { openConnection, openDatabase, type PooledDatabase } from '../gateway/clients.ts';
import { unrecorded } from '../gateway/fixtures/platform.ts';
import { systemClock, systemRandom } from '../gateway/system.ts';
import { createBase } from '../jobs/database-template.ts';
import { findDesign } from '../lineage.ts';
import type { ApiKeys, CreatedKey, EnrolledAgent } from './contract.ts';
import { createApiKeys, maxKeys } from './store.ts';
import { makeSecret, maxSlots } from './token.ts';

const schema = 'keys';
const design = findDesign('turn1.after');

const postgres = ownPostgres('keys', {
  ...{ log_statement: 'all', log_parameter_max_length_on_error: '-1' },
});
let db: PooledDatabase;
/** Of the two processes below, in milliseconds. */
let nowMs = 1_000_000;
let here: ApiKeys;
let elsewhere: ApiKeys;

beforeAll(async () => {
  const url = new URL(postgres.url);
  url.searchParams.set('options', `-c search_path=${schema}`);
  const databaseUrl = url.toString();
  const connection = await openConnection(databaseUrl);
  const size = {
    rows: 0,
    users: 20,
    heavyUsers: 0,
    heavyRows: 0,
    seed: 7,
    anchorUs: 1_760_000_000e6,
  };
  await createBase(connection, { ...size, schema, design });
  await connection.close();
  db = openDatabase({
    databaseUrl,
    design: design.database,
    applicationName: 'keys-test',
    onConnectionError: () => {},
  });
  const open = () =>
    createApiKeys({ db, clock: systemClock, random: systemRandom, monotonicMs: () => nowMs });
  [here, elsewhere] = [open(), open()];
});
afterAll(() => db?.close());

const make = async (ownerId: string, name = 'ci') =>
  (await here.create(ownerId, name, unrecorded)) as CreatedKey;
const enrol = async (ownerId: string, keyId: string, name = 'runner') =>
  (await here.enrol(ownerId, keyId, name, unrecorded)) as EnrolledAgent;
const later = (ms: number) => {
  nowMs += ms;
};

describe('a key', () => {
  it('speaks for its owner in the owner organisation until it is revoked', async () => {
    const { token, key } = await make('3');
    expect(key).toMatchObject({ name: 'ci', agents: 0 });
    const caller = {
      ...{ keyId: key.id, organisationId: '3', ownerId: '3', tier: null },
      ...{ agent: 0, agents: 0, subject: `key:${key.id}` },
    };
    expect(await here.authenticate(token)).toEqual(caller);
    expect(await elsewhere.authenticate(token)).toEqual(caller);
    expect(await here.list('3')).toEqual([key]);

    expect(await here.revoke('3', key.id, unrecorded)).toBe(true);
    expect(await here.authenticate(token)).toBeNull();
    expect(await here.list('3')).toEqual([]);
    later(999);
    expect(await elsewhere.authenticate(token)).toEqual(caller);
    later(1);
    expect(await elsewhere.authenticate(token)).toBeNull();
    expect(await here.revoke('3', key.id, unrecorded)).toBe(true);
    expect(await here.enrol('3', key.id, 'late', unrecorded)).toBeNull();
    expect(await here.agents('3', key.id)).toBeNull();
  });

  it('has the tier an operator gave it', async () => {
    const { token, key } = await make('3');
    await db.query({ text: `UPDATE api_keys SET tier = 'ci' WHERE id = $1`, values: [key.id] });
    expect(await here.authenticate(token)).toMatchObject({ tier: 'ci' });
  });

  it('opens nothing with another secret, of another key, or when its owner is disabled', async () => {
    const [mine, other] = [await make('4'), await make('5')];
    const guess = makeSecret(systemRandom);
    expect(await here.authenticate(guess.token(mine.key.id, 0))).toBeNull();
    expect(await here.authenticate(guess.token(mine.key.id, 1))).toBeNull();
    expect(await here.authenticate(guess.token('999999999999', 0))).toBeNull();
    expect(await here.authenticate('pk_1_not-a-token')).toBeNull();
    expect(await here.authenticate(other.token)).toMatchObject({ ownerId: '5' });
    await db.query({ text: `UPDATE users SET disabled_at = now() WHERE id = 5` });
    later(1_000);
    expect(await here.authenticate(other.token)).toBeNull();
    await expect(here.create('5', 'late', unrecorded)).rejects.toMatchObject({ status: 403 });
    expect(await here.authenticate(mine.token)).not.toBeNull();
  });

  it('is one of at most so many, also for many at once', async () => {
    const made = await Promise.all(
      Array.from({ length: maxKeys + 3 }, () => here.create('6', 'k', unrecorded)),
    );
    expect(made.filter((one) => one === 'full')).toHaveLength(3);
    expect(await here.list('6')).toHaveLength(maxKeys);
    await here.revoke('6', (made.find((one) => one !== 'full') as CreatedKey).key.id, unrecorded);
    expect(await here.create('6', 'room again', unrecorded)).not.toBe('full');
  });
});

describe('an agent', () => {
  it('has a place, works elsewhere within 0.1 s, and its place is given out again', async () => {
    const { key, token: bare } = await make('7');
    await elsewhere.authenticate(bare);
    const [first, second] = [await enrol('7', key.id), await enrol('7', key.id)];
    expect([first.agent.slot, second.agent.slot]).toEqual([1, 2]);
    const subject = `agent:${key.id}/2`;
    later(100);
    for (const process of [here, elsewhere])
      expect(await process.authenticate(second.token)).toMatchObject({
        agent: 2,
        agents: 2,
        subject,
      });
    expect(await here.authenticate(bare)).toMatchObject({ agent: 0, agents: 2 });

    expect(await here.revokeAgent('7', key.id, 1, unrecorded)).toBe(true);
    expect(await here.revokeAgent('7', key.id, 1, unrecorded)).toBe(true);
    expect(await here.authenticate(first.token)).toBeNull();
    expect(await here.authenticate(second.token)).toMatchObject({ agent: 2, agents: 2 });
    const third = await enrol('7', key.id, 'third');
    expect(third.agent).toMatchObject({ slot: 1, name: 'third' });
    later(1_000);
    expect(await elsewhere.authenticate(first.token)).toBeNull();
    expect(await elsewhere.authenticate(third.token)).toMatchObject({ agent: 1 });
    expect((await here.agents('7', key.id))!.map(({ slot }) => slot)).toEqual([1, 2]);
    expect(await here.list('7')).toMatchObject([{ agents: 2 }]);

    await here.revoke('7', key.id, unrecorded);
    expect(await here.authenticate(second.token)).toBeNull();
    expect(await here.authenticate(third.token)).toBeNull();
  });

  it('is alone in its place, also when many are enrolled at once', async () => {
    const { key } = await make('8');
    const wanted = Array.from({ length: maxSlots + 2 }, (_, i) =>
      here.enrol('8', key.id, `r${i}`, unrecorded),
    );
    const enrolled = await Promise.all(wanted);
    expect(enrolled.filter((one) => one === 'full')).toHaveLength(2);
    const agents = enrolled.filter((one) => one !== 'full') as EnrolledAgent[];
    expect(new Set(agents.map(({ agent }) => agent.slot)).size).toBe(maxSlots);
    later(100);
    for (const { token, agent } of agents)
      expect(await elsewhere.authenticate(token)).toMatchObject({
        agent: agent.slot,
        agents: maxSlots,
      });
    expect(await here.revokeAgent('8', key.id, maxSlots, unrecorded)).toBe(true);
    expect(await here.authenticate(agents[0]!.token)).toMatchObject({ agents: maxSlots - 1 });
  });
});

it("another's key is one that does not exist", async () => {
  const { key, token } = await make('9');
  const { token: agent } = await enrol('9', key.id);
  expect(await here.list('10')).toEqual([]);
  expect(await here.agents('10', key.id)).toBeNull();
  expect(await here.enrol('10', key.id, 'thief', unrecorded)).toBeNull();
  expect(await here.revokeAgent('10', key.id, 1, unrecorded)).toBe(false);
  expect(await here.revoke('10', key.id, unrecorded)).toBe(false);
  expect(await here.revoke('10', '999999999999', unrecorded)).toBe(false);
  expect(await here.authenticate(token)).toMatchObject({ ownerId: '9', agents: 1 });
  expect(await here.authenticate(agent)).toMatchObject({ ownerId: '9', agent: 1 });
});

it('no secret stands in tables, files, WAL or the statement log', async () => {
  const { key, token } = await make('11');
  const { token: agent } = await enrol('11', key.id);
  await here.authenticate(token);
  await here.authenticate(agent);
  await here.authenticate(makeSecret(systemRandom).token(key.id, 3));
  await here.revokeAgent('11', key.id, 1, unrecorded);
  const secretIn = (text: string) => /_([\w-]{43})_/.exec(text)![1]!;
  const shapes = [token, agent].map(secretIn).flatMap((secret) => {
    const raw = Buffer.from(secret, 'base64url');
    return [secret, raw, raw.toString('hex'), Buffer.from(secret).toString('hex')];
  });
  const filesWith = async (wanted: readonly (string | Buffer)[]) => {
    await db.query({ text: 'CHECKPOINT' });
    return readdirSync(postgres.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .filter((file) => {
        const content = readFileSync(file);
        return wanted.some((shape) => content.includes(shape));
      });
  };
  expect(await filesWith(shapes)).toEqual([]);
  // The control: the same look finds what is there, in the table's file, the WAL and the log.
  await db.query({
    text: `INSERT INTO organisations (name, created_at) VALUES ('${agent}', now())`,
  });
  const found = await filesWith(shapes);
  for (const place of ['/base/', '/pg_wal/', 'pg.log'])
    expect(found.filter((file) => file.includes(place))).not.toEqual([]);
});

it('goes on by what it knows for 30 s when PostgreSQL is gone', async () => {
  const { key, token } = await make('12');
  const { token: agent } = await enrol('12', key.id);
  await elsewhere.authenticate(token);
  await postgres.stop();
  later(1_000);
  const unavailable = { status: 503, code: 'keys-unavailable' };
  expect(await elsewhere.authenticate(token)).toMatchObject({ ownerId: '12' });
  expect(await elsewhere.authenticate(agent)).toMatchObject({ agent: 1 });
  await expect(here.authenticate(token)).rejects.toMatchObject(unavailable);
  await expect(
    elsewhere.authenticate(makeSecret(systemRandom).token(key.id, 2)),
  ).rejects.toMatchObject(unavailable);
  later(29_000);
  await expect(elsewhere.authenticate(token)).rejects.toMatchObject(unavailable);
});
