/**
 * The writers that turn 3 replaces, as they are: they keep what nobody kills, and what they lose otherwise is lost
 * where their headers say so.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { openDatabase, type PooledDatabase } from '../../gateway/clients.ts';
import { prepareSchema, schemaUrl, smallSize } from '../../gateway/fixtures/platform.ts';
import { systemClock as clock, systemRandom } from '../../gateway/system.ts';
import { findDesign } from '../../lineage.ts';
import { isoFromUs, timeOrderedId } from '../../ports.ts';
import type { AuditEvent } from '../contract.ts';
import { decrypt, openPersonal } from '../seal.ts';
import { createSubjectKeys, type SubjectKeys } from '../subject-keys.ts';
import { type AuditInsert, createAuditInsert } from './insert.ts';
import { createMemoryBatch } from './memory-batch.ts';
import { createRedisQueue } from './redis-queue.ts';

const { postgres, redis: redisServer } = ownStores('audit-writers');
const schema = 'writers';
const design = findDesign('turn3.before');
const observer = { onFlush() {}, onSequenced() {}, onSpill() {}, onCacheRead() {} };
const wrappingKey = Buffer.alloc(32, 7);

let db: PooledDatabase;
let redis: Redis;
let insert: AuditInsert;
let subjects: SubjectKeys;
let statements: string[] = [];
const reports: Error[] = [];
const report = (error: Error) => void reports.push(error);

beforeAll(async () => {
  await prepareSchema(postgres.url, {
    schema,
    design,
    size: { ...smallSize, rows: 0, heavyUsers: 0, heavyRows: 0 },
  });
  db = openDatabase({
    databaseUrl: schemaUrl(postgres.url, schema),
    design: design.database,
    applicationName: 'writers',
    onConnectionError: () => {},
  });
  const counted: typeof db = {
    ...db,
    query(statement) {
      statements.push(statement.name ?? statement.text);
      return db.query(statement);
    },
  };
  redis = new Redis(redisServer.url, { maxRetriesPerRequest: 1, retryStrategy: () => 50 });
  redis.on('error', () => {});
  subjects = createSubjectKeys({ db: counted, wrappingKey, clock });
  insert = createAuditInsert({ db: counted, subjects });
});
afterAll(async () => {
  redis?.disconnect();
  await db?.close();
});

const ADDRESS = '10.0.0.1';
const event = (requestId: string, userId = '1'): AuditEvent => {
  const nowUs = clock.nowUs();
  return {
    eventId: timeOrderedId(nowUs, systemRandom.uuid()),
    occurredAt: isoFromUs(nowUs),
    organisationId: userId,
    userId,
    sessionHash: null,
    keyId: null,
    agent: null,
    action: 'a',
    resourceType: 'r',
    resourceId: null,
    outcome: 'success',
    reason: null,
    requestId,
    clientRequestId: null,
    region: 'us',
    service: 'test',
    change: null,
    personal: { ip: ADDRESS, userAgent: `agent of ${requestId}` },
  };
};
const recorded = async (prefix: string) => {
  const rows = await db.query<{ id: string }>({
    text: 'SELECT request_id AS id FROM audit_logs WHERE starts_with(request_id, $1)',
    values: [prefix],
  });
  return rows.map(({ id }) => id).sort();
};
const sealedOf = async (requestId: string): Promise<Buffer> => {
  const [row] = await db.query<{ sealed: Buffer }>({
    text: 'SELECT sealed FROM audit_logs WHERE request_id = $1',
    values: [requestId],
  });
  return row!.sealed;
};
const named = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, at) => `${prefix}-${String(at).padStart(4, '0')}`);
const eventually = async (done: () => Promise<boolean>) => {
  for (let tries = 0; !(await done()); tries += 1) {
    if (tries === 200) throw new Error('it did not come about in 10 s');
    await delay(50);
  }
};

describe('in memory', () => {
  const open = (flushMs: number) => createMemoryBatch({ insert, clock, flushMs, observer, report });

  it('does not wait, writes each event once, and the rest when it is closed', async () => {
    const writer = open(20);
    const ids = named('memory', 300);
    for (const id of ids) await writer.record(event(id));
    await eventually(async () => (await recorded('memory-')).length === 300);
    await writer.record(event('memory-last'));
    await writer.close();
    expect(await recorded('memory-')).toEqual([...ids, 'memory-last']);
  });

  it('loses buffered events without a close, and a batch whose write fails', async () => {
    const forgotten = open(3_600_000);
    await forgotten.record(event('forgotten'));
    const failing = createMemoryBatch({
      clock,
      flushMs: 3_600_000,
      observer,
      report,
      insert: { ...insert, many: () => Promise.reject(new Error('away')) },
    });
    await failing.record(event('failing'));
    await failing.close();
    expect(reports.splice(0).map(({ message }) => message)).toEqual(['1 audit events are lost']);
    expect(await recorded('f')).toEqual([]);
    await forgotten.close();
  });
});

describe('the queue', () => {
  const open = (many = insert.many) =>
    createRedisQueue({
      redis,
      clock,
      maxBatch: 50,
      observer,
      report,
      keyPrefix: 'writers:',
      insert: { ...insert, many },
    });

  it('writes each event once with several consumers', async () => {
    const writers = [open(), open()];
    const ids = named('queue', 400);
    await Promise.all(ids.map((id, at) => writers[at % 2]!.record(event(id))));
    await eventually(async () => (await recorded('queue-')).length === 400);
    await Promise.all(writers.map((writer) => writer.close()));
    expect(await recorded('queue-')).toEqual(ids);
    expect(await redis.llen('writers:audit:queue')).toBe(0);
  });

  it('puts back a batch that was not written, and loses what Redis loses', async () => {
    let failures = 2;
    const writer = open(async (events) => {
      failures -= 1;
      if (failures >= 0) throw new Error('away');
      return insert.many(events);
    });
    await writer.record(event('back'));
    await eventually(async () => (await recorded('back')).length === 1);
    expect(reports.splice(0)).toHaveLength(2);
    await writer.close();
    await redis.lpush('writers:audit:queue', JSON.stringify(event('unread')));
    await redisServer.kill();
    await redisServer.startAgain();
    await eventually(async () => (await redis.ping().catch(() => '')) === 'PONG');
    const next = open();
    await next.close();
    expect(await recorded('unread')).toEqual([]);
  });

  it('acknowledges events while Redis is unavailable', async () => {
    const writer = open();
    await redisServer.kill();
    await writer.record(event('swallowed'));
    // No error was reported, not even when the client gave up.
    await eventually(async () => writer.depth() === 0);
    await redisServer.startAgain();
    await eventually(async () => (await redis.ping().catch(() => '')) === 'PONG');
    await writer.close();
    expect(await recorded('swallowed')).toEqual([]);
  });
});

describe('keys of subjects', () => {
  it('are created once, in one statement for many users, also by concurrent processes', async () => {
    const users = Array.from({ length: 40 }, (_, at) => String(at + 100));
    const other = createSubjectKeys({ db, wrappingKey, clock });
    statements = [];
    const [here, there] = await Promise.all([
      subjects.getKeys(users),
      other.getKeys([...users].reverse()),
    ]);
    // A second statement when the other process created some of them first.
    expect(statements.length).toBeLessThanOrEqual(2);
    expect([here!.keys.size, there!.keys.size]).toEqual([40, 40]);
    statements = [];
    await subjects.getKeys(users);
    expect(statements).toEqual([]);
    const opened = await subjects.readKeys(users);
    expect(opened.size).toBe(40);
    expect(await other.readKey('100')).toEqual(opened.get('100'));
  });

  it('are not cached from a transaction that is rolled back', async () => {
    const failed = db.transaction(async (tx) => {
      await insert.inTransaction(tx, event('rolled-back', '200'));
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect(await subjects.readKey('200')).toBeNull();
    await insert.many([event('kept', '200')]);
    expect(await subjects.readKey('200')).not.toBeNull();
    expect(await recorded('rolled-back')).toEqual([]);
  });

  it('are erased for good: later events have a key of the next epoch, also from a process that cached the old one', async () => {
    const otherSubjects = createSubjectKeys({ db, wrappingKey, clock });
    const other = createAuditInsert({ db, subjects: otherSubjects });
    await other.many([event('before-erasure', '300')]);
    const erased = (await subjects.readKey('300'))!;
    await db.transaction((tx) => subjects.erase(tx, '300'));
    // Again, as after a crash: nothing is left to erase.
    await db.transaction((tx) => subjects.erase(tx, '300'));
    expect(await subjects.readKey('300')).toBeNull();
    await other.many([event('after-erasure', '300')]);
    await db.transaction((tx) => other.inTransaction(tx, event('in-transaction', '300')));
    const key = (await subjects.readKey('300'))!;
    expect(key.equals(erased)).toBe(false);
    const opened = async (requestId: string) => {
      const sealed = await sealedOf(requestId);
      return [erased, key].map((one) => openPersonal(one, '300', sealed)?.ip ?? null);
    };
    expect(await opened('before-erasure')).toEqual([ADDRESS, null]);
    expect(await opened('after-erasure')).toEqual([null, ADDRESS]);
    expect(await opened('in-transaction')).toEqual([null, ADDRESS]);
  });

  it('seal every event that is written while its subject is erased again and again', async () => {
    const keys: Buffer[] = [];
    let isDone = false;
    const writers = Array.from({ length: 3 }, async (_, n) => {
      const own = createAuditInsert({
        db,
        subjects: createSubjectKeys({ db, wrappingKey, clock }),
      });
      for (let at = 0; !isDone; at += 1) {
        // Erasures so far: an event that is begun now must not be sealed under a key of theirs.
        const erasedBefore = keys.length;
        await own.many([event(`race-${n}-${at}-${erasedBefore}`, '310')]);
      }
    });
    for (let erasures = 0; erasures < 20; erasures += 1) {
      const key = await db.transaction(async (tx) => {
        const [row] = await tx.query<{ wrapped: Buffer | null }>({
          text: 'SELECT wrapped FROM audit_subject_keys WHERE user_id = 310 FOR UPDATE',
        });
        await subjects.erase(tx, '310');
        return row?.wrapped ? decrypt(wrappingKey, '310', row.wrapped)! : null;
      });
      if (key) keys.push(key);
      await delay(5);
    }
    isDone = true;
    await Promise.all(writers);
    const last = await subjects.readKey('310');
    if (last) keys.push(last);
    const rows = await db.query<{ id: string; sealed: Buffer | null }>({
      text: `SELECT request_id AS id, sealed FROM audit_logs WHERE user_id = 310`,
    });
    expect(rows.length).toBeGreaterThan(20);
    expect(keys.length).toBeGreaterThan(5);
    const wrong = rows.filter(({ id, sealed }) => {
      const epoch = keys.findIndex((key) => sealed && openPersonal(key, '310', sealed) !== null);
      return epoch < Number(id.split('-').at(-1));
    });
    expect(wrong).toEqual([]);
  });

  it('of an erased epoch are not replaced for an event that waited in a local log', async () => {
    await insert.many([event('early', '320')]);
    const late = { ...event('late', '320'), occurredAt: isoFromUs(clock.nowUs() - 60_000_000) };
    await db.transaction((tx) => subjects.erase(tx, '320'));
    await insert.many([late, event('afterwards', '320')]);
    const key = (await subjects.readKey('320'))!;
    expect(openPersonal(key, '320', await sealedOf('late'))).toBeNull();
    expect(openPersonal(key, '320', await sealedOf('afterwards'))).toMatchObject({ ip: ADDRESS });
  });

  it('do not open under another wrapping key', async () => {
    await subjects.getKeys(['400']);
    const other = createSubjectKeys({ db, wrappingKey: Buffer.alloc(32, 8), clock });
    await expect(other.readKey('400')).rejects.toThrow('another wrapping key');
  });
});
