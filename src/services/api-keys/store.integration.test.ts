/**
 * Keys and agents on a PostgreSQL of this file's own: their life cycle, in the process that changes them and in another
 * one; isolation of owners; what the tables store; and authentication while PostgreSQL is down.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPostgres } from '../../sim/effects/testbed/fixtures/stores.ts';
import { openConnection, openDatabase, type PooledDatabase } from '../gateway/clients.ts';
import { unrecorded, usersWithoutHistory } from '../gateway/fixtures/platform.ts';
import { systemClock, systemRandom } from '../gateway/system.ts';
import { createBase } from '../jobs/database-template.ts';
import { findDesign } from '../lineage.ts';
import type { ApiKeys, CreatedKey, EnrolledAgent } from './contract.ts';
import { createApiKeys, MAX_KEYS } from './store.ts';
import { MAX_SLOTS, makeSecret } from './token.ts';

const schema = 'keys';
const design = findDesign('turn1.after');

const postgres = ownPostgres('keys', {
  log_statement: 'all',
  log_parameter_max_length_on_error: '-1',
});
let db: PooledDatabase;
/** The clock of both processes below. */
let nowMs = 1_000_000;
/** The time of day is ahead by this much. */
let aheadUs = 0;
const clock = { nowUs: () => systemClock.nowUs() + aheadUs };
let processA: ApiKeys;
let processB: ApiKeys;

beforeAll(async () => {
  const url = new URL(postgres.url);
  url.searchParams.set('options', `-c search_path=${schema}`);
  const databaseUrl = url.toString();
  const connection = await openConnection(databaseUrl);
  const size = usersWithoutHistory(20);
  await createBase(connection, { ...size, schema, design });
  await connection.close();
  db = openDatabase({
    databaseUrl,
    design: design.database,
    applicationName: 'keys-test',
    onConnectionError: () => {},
  });
  const open = () => createApiKeys({ db, clock, random: systemRandom, monotonicMs: () => nowMs });
  [processA, processB] = [open(), open()];
});
afterAll(() => db?.close());

const createKey = async (ownerId: string, name = 'ci') =>
  (await processA.create(ownerId, name, unrecorded)) as CreatedKey;
const enrol = async (ownerId: string, keyId: string, name = 'runner') =>
  (await processA.enrol(ownerId, keyId, name, unrecorded)) as EnrolledAgent;
const advance = (ms: number) => {
  nowMs += ms;
};

describe('a key', () => {
  it('authenticates its owner in the owner organisation until it is revoked', async () => {
    const { token, key } = await createKey('3');
    expect(key).toMatchObject({ name: 'ci', agents: 0 });
    const principal = {
      keyId: key.id,
      organisationId: '3',
      ownerId: '3',
      tier: null,
      agent: 0,
      agents: 0,
      subject: `key:${key.id}`,
    };
    expect(await processA.authenticate(token)).toEqual(principal);
    expect(await processB.authenticate(token)).toEqual(principal);
    expect(await processA.list('3')).toEqual([key]);

    expect(await processA.revoke('3', key.id, unrecorded)).toBe(true);
    expect(await processA.authenticate(token)).toBeNull();
    expect(await processA.list('3')).toEqual([]);
    advance(999);
    expect(await processB.authenticate(token)).toEqual(principal);
    advance(1);
    expect(await processB.authenticate(token)).toBeNull();
    expect(await processA.revoke('3', key.id, unrecorded)).toBe(true);
    expect(await processA.enrol('3', key.id, 'late', unrecorded)).toBeNull();
    expect(await processA.agents('3', key.id)).toBeNull();
  });

  it('expires after 90 days, or when its owner said, with its agents and without another read', async () => {
    const DAY_US = 86_400_000_000;
    const usual = await createKey('18');
    const short = (await processA.create('18', 'short', unrecorded, 1)) as CreatedKey;
    const agent = await enrol('18', short.key.id);
    const days = ({ key }: CreatedKey) =>
      (Date.parse(key.expiresAt) - Date.parse(key.createdAt)) / 86_400_000;
    expect([usual, short].map(days)).toEqual([90, 1]);
    try {
      // Both are cached before the time comes.
      aheadUs = DAY_US - 5_000_000;
      for (const { token } of [short, agent, usual])
        expect(await processA.authenticate(token)).not.toBeNull();
      aheadUs = DAY_US + 1;
      for (const { token } of [short, agent]) expect(await processA.authenticate(token)).toBeNull();
      expect(await processA.enrol('18', short.key.id, 'late', unrecorded)).toBeNull();
      expect(await processA.authenticate(usual.token)).not.toBeNull();
      // Still listed, after the valid ones, so that the owner sees why it is refused.
      expect((await processA.list('18')).map(({ id }) => id)).toEqual([usual.key.id, short.key.id]);
      aheadUs = 90 * DAY_US + 1_000_000;
      expect(await processA.authenticate(usual.token)).toBeNull();
      // They leave room.
      for (let count = 0; count < MAX_KEYS; count += 1)
        expect(await processA.create('18', 'k', unrecorded)).not.toBe('full');
    } finally {
      aheadUs = 0;
    }
  });

  it('ends with the membership of its owner, and does not come back with it', async () => {
    const { token } = await createKey('9');
    expect(await processA.authenticate(token)).not.toBeNull();
    const move = (organisation: number) =>
      db.query({ text: `UPDATE users SET organisation_id = ${organisation} WHERE id = 9` });
    await move(10);
    advance(1_000);
    for (const one of [processA, processB]) expect(await one.authenticate(token)).toBeNull();
    await move(9);
    advance(1_000);
    expect(await processA.authenticate(token)).toBeNull();
    expect(await processA.list('9')).toEqual([]);
  });

  it('has the tier an operator gave it', async () => {
    const { token, key } = await createKey('3');
    await db.query({ text: `UPDATE api_keys SET tier = 'ci' WHERE id = $1`, values: [key.id] });
    expect(await processA.authenticate(token)).toMatchObject({ tier: 'ci' });
  });

  it('is refused with another secret, of another key, or when its owner is disabled', async () => {
    const [mine, other] = [await createKey('4'), await createKey('5')];
    const guess = makeSecret(systemRandom);
    expect(await processA.authenticate(guess.token(mine.key.id, 0))).toBeNull();
    expect(await processA.authenticate(guess.token(mine.key.id, 1))).toBeNull();
    expect(await processA.authenticate(guess.token('999999999999', 0))).toBeNull();
    expect(await processA.authenticate('pk_1_not-a-token')).toBeNull();
    expect(await processA.authenticate(other.token)).toMatchObject({ ownerId: '5' });
    await db.query({ text: `UPDATE users SET disabled_at = now() WHERE id = 5` });
    advance(1_000);
    expect(await processA.authenticate(other.token)).toBeNull();
    await expect(processA.create('5', 'late', unrecorded)).rejects.toMatchObject({ status: 403 });
    expect(await processA.authenticate(mine.token)).not.toBeNull();
  });

  it('counts against the maximum of its owner, also with concurrent creations', async () => {
    const made = await Promise.all(
      Array.from({ length: MAX_KEYS + 3 }, () => processA.create('6', 'k', unrecorded)),
    );
    expect(made.filter((one) => one === 'full')).toHaveLength(3);
    expect(await processA.list('6')).toHaveLength(MAX_KEYS);
    await processA.revoke(
      '6',
      (made.find((one) => one !== 'full') as CreatedKey).key.id,
      unrecorded,
    );
    expect(await processA.create('6', 'room again', unrecorded)).not.toBe('full');
  });
});

describe('an agent', () => {
  it('has a slot, works in other processes within 0.1 s, and its slot is used again', async () => {
    const { key, token: bare } = await createKey('7');
    await processB.authenticate(bare);
    const [first, second] = [await enrol('7', key.id), await enrol('7', key.id)];
    expect([first.agent.slot, second.agent.slot]).toEqual([1, 2]);
    const subject = `agent:${key.id}/2`;
    advance(100);
    for (const process of [processA, processB])
      expect(await process.authenticate(second.token)).toMatchObject({
        agent: 2,
        agents: 2,
        subject,
      });
    expect(await processA.authenticate(bare)).toMatchObject({ agent: 0, agents: 2 });

    expect(await processA.revokeAgent('7', key.id, 1, unrecorded)).toBe(true);
    expect(await processA.revokeAgent('7', key.id, 1, unrecorded)).toBe(true);
    expect(await processA.authenticate(first.token)).toBeNull();
    expect(await processA.authenticate(second.token)).toMatchObject({ agent: 2, agents: 2 });
    const third = await enrol('7', key.id, 'third');
    expect(third.agent).toMatchObject({ slot: 1, name: 'third' });
    advance(1_000);
    expect(await processB.authenticate(first.token)).toBeNull();
    expect(await processB.authenticate(third.token)).toMatchObject({ agent: 1 });
    expect((await processA.agents('7', key.id))!.map(({ slot }) => slot)).toEqual([1, 2]);
    expect(await processA.list('7')).toMatchObject([{ agents: 2 }]);

    await processA.revoke('7', key.id, unrecorded);
    expect(await processA.authenticate(second.token)).toBeNull();
    expect(await processA.authenticate(third.token)).toBeNull();
  });

  it('is alone in its slot, also with concurrent enrolments', async () => {
    const { key } = await createKey('8');
    const wanted = Array.from({ length: MAX_SLOTS + 2 }, (_, i) =>
      processA.enrol('8', key.id, `r${i}`, unrecorded),
    );
    const enrolled = await Promise.all(wanted);
    expect(enrolled.filter((one) => one === 'full')).toHaveLength(2);
    const agents = enrolled.filter((one) => one !== 'full') as EnrolledAgent[];
    expect(new Set(agents.map(({ agent }) => agent.slot)).size).toBe(MAX_SLOTS);
    advance(100);
    for (const { token, agent } of agents)
      expect(await processB.authenticate(token)).toMatchObject({
        agent: agent.slot,
        agents: MAX_SLOTS,
      });
    expect(await processA.revokeAgent('8', key.id, MAX_SLOTS, unrecorded)).toBe(true);
    expect(await processA.authenticate(agents[0]!.token)).toMatchObject({ agents: MAX_SLOTS - 1 });
  });
});

it("another owner's key is reported as one that does not exist", async () => {
  const { key, token } = await createKey('9');
  const { token: agent } = await enrol('9', key.id);
  expect(await processA.list('10')).toEqual([]);
  expect(await processA.agents('10', key.id)).toBeNull();
  expect(await processA.enrol('10', key.id, 'thief', unrecorded)).toBeNull();
  expect(await processA.revokeAgent('10', key.id, 1, unrecorded)).toBe(false);
  expect(await processA.revoke('10', key.id, unrecorded)).toBe(false);
  expect(await processA.revoke('10', '999999999999', unrecorded)).toBe(false);
  expect(await processA.authenticate(token)).toMatchObject({ ownerId: '9', agents: 1 });
  expect(await processA.authenticate(agent)).toMatchObject({ ownerId: '9', agent: 1 });
});

it('no secret is stored in tables, files, WAL or the statement log', async () => {
  const { key, token } = await createKey('11');
  const { token: agent } = await enrol('11', key.id);
  await processA.authenticate(token);
  await processA.authenticate(agent);
  await processA.authenticate(makeSecret(systemRandom).token(key.id, 3));
  await processA.revokeAgent('11', key.id, 1, unrecorded);
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
  // The control: the same search finds a text that is stored, in the table's file, the WAL and the log.
  await db.query({
    text: `INSERT INTO organisations (name, created_at) VALUES ('${agent}', now())`,
  });
  const found = await filesWith(shapes);
  for (const place of ['/base/', '/pg_wal/', 'pg.log'])
    expect(found.filter((file) => file.includes(place))).not.toEqual([]);
});

it('uses cached keys for 30 s while PostgreSQL is down', async () => {
  const { key, token } = await createKey('12');
  const { token: agent } = await enrol('12', key.id);
  await processB.authenticate(token);
  await postgres.stop();
  advance(1_000);
  const unavailable = { status: 503, code: 'keys-unavailable' };
  expect(await processB.authenticate(token)).toMatchObject({ ownerId: '12' });
  expect(await processB.authenticate(agent)).toMatchObject({ agent: 1 });
  await expect(processA.authenticate(token)).rejects.toMatchObject(unavailable);
  await expect(
    processB.authenticate(makeSecret(systemRandom).token(key.id, 2)),
  ).rejects.toMatchObject(unavailable);
  advance(29_000);
  await expect(processB.authenticate(token)).rejects.toMatchObject(unavailable);
});
