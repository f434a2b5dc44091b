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
    personal: { ip: '10.0.0.1', userAgent: `agent of ${requestId}` },
  };
};
const recorded = async (prefix: string) => {
  const rows = await db.query<{ id: string }>({
    text: 'SELECT request_id AS id FROM audit_logs WHERE starts_with(request_id, $1)',
    values: [prefix],
  });
  return rows.map(({ id }) => id).sort();
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
    expect([here!.size, there!.size]).toEqual([40, 40]);
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

  it('are erased for good, and cached by other processes for a minute at most', async () => {
    let nowUs = clock.nowUs();
    const otherProcess = createSubjectKeys({ db, wrappingKey, clock: { nowUs: () => nowUs } });
    const personal = { ip: '10.0.0.1', userAgent: null };
    const sealed = async () => (await otherProcess.getKeys(['300'])).get('300')!.seal(personal);
    expect(await sealed()).not.toBeNull();
    await db.transaction((tx) => subjects.erase(tx, '300'));
    await db.transaction((tx) => subjects.erase(tx, '300'));
    expect(await subjects.readKey('300')).toBeNull();
    expect((await subjects.getKeys(['300'])).get('300')!.seal(personal)).toBeNull();
    nowUs += 59_000_000;
    expect(await sealed()).not.toBeNull();
    nowUs += 1_000_000;
    expect(await sealed()).toBeNull();
  });

  it('do not open under another wrapping key', async () => {
    await subjects.getKeys(['400']);
    const other = createSubjectKeys({ db, wrappingKey: Buffer.alloc(32, 8), clock });
    await expect(other.readKey('400')).rejects.toThrow('another wrapping key');
  });
});
