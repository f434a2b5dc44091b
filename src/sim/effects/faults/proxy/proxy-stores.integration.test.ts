/** The rules that need frames, against a real PostgreSQL and a real Redis, with the clients the platform uses. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ownStores } from '../../testbed/fixtures/stores.ts';
import { makeProxyBed, type ProxyBed, rawClient, route } from './fixtures/proxy-bed.ts';
import type { FaultProxy } from './proxy.ts';

const TO_POSTGRES = 'gateway->postgres';
const TO_REDIS = 'gateway->redis';

const { postgres, redis: redisServer } = ownStores('proxy');
let truth: pg.Client;
let bed: ProxyBed;
let proxy: FaultProxy;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  truth = new pg.Client(postgres.url);
  await truth.connect();
  await truth.query('CREATE TABLE done (id int)');
});
afterAll(() => truth?.end());
beforeEach(async () => {
  await truth.query('TRUNCATE done');
  bed = await makeProxyBed();
  proxy = await bed.start([route('postgres', postgres.port), route('resp', redisServer.port)]);
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await bed.remove();
});

const port = (route: string) => proxy.addressOf(route).port;

async function client(): Promise<pg.Client> {
  const url = new URL(postgres.url);
  url.port = String(port(TO_POSTGRES));
  const connected = new pg.Client(url.toString());
  connected.on('error', () => {}); // The query that is under way rejects as well.
  await connected.connect();
  ends.push(() => connected.end().catch(() => {}));
  return connected;
}

function redis(protocol: 2 | 3 = 2): Redis {
  const connected = new Redis({
    protocol,
    port: port(TO_REDIS),
    host: '127.0.0.1',
    password: new URL(redisServer.url).password,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  connected.on('error', () => {}); // The command that is under way rejects as well.
  ends.push(() => connected.disconnect());
  return connected;
}

const rows = async () =>
  (await truth.query('SELECT id FROM done ORDER BY id')).rows.map(({ id }) => id as number);
const failed = (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );

describe('PostgreSQL', () => {
  it('works through the proxy: prepared statements, large results, COPY, errors, cancel', async () => {
    const db = await client();
    const large = await db.query(`SELECT repeat('x', 1000) AS x FROM generate_series(1, 5000)`);
    expect(large.rows).toHaveLength(5_000);
    for (const id of [1, 2, 3]) {
      await db.query({ name: 'insert', text: 'INSERT INTO done VALUES ($1)', values: [id] });
    }
    expect(await failed(db.query('SELECT 1/0'))).toBe('22012');
    await db.query('COPY (SELECT generate_series(1, 1000)) TO STDOUT');
    expect(await rows()).toEqual([1, 2, 3]);
    expect(await proxy.probe(TO_POSTGRES)).toBe(true);
  });

  it('cuts the reply of a COMMIT that has happened', async () => {
    const db = await client();
    await db.query('BEGIN');
    await db.query('INSERT INTO done VALUES (1)');
    await proxy.apply(TO_POSTGRES, [TO_POSTGRES], { kind: 'cut-reply', every: 1 });
    expect(await failed(db.query('COMMIT'))).toBe('ECONNRESET');
    expect(await rows()).toEqual([1]);
    await proxy.clear(TO_POSTGRES);
    expect((await (await client()).query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(proxy.decisions().map(({ detail }) => detail)).toEqual([
      'gateway->postgres request 1: COMMIT',
    ]);
  });

  it('cuts the reply of an extended statement that has happened', async () => {
    const db = await client();
    await proxy.apply(TO_POSTGRES, [TO_POSTGRES], { kind: 'cut-reply', every: 1 });
    expect(await failed(db.query('INSERT INTO done VALUES ($1)', [5]))).toBe('ECONNRESET');
    expect(await rows()).toEqual([5]);
  });

  it('fails one request with an error, and the connection goes on', async () => {
    const db = await client();
    await proxy.apply(TO_POSTGRES, [TO_POSTGRES], { kind: 'fail-request', k: 2 });
    await db.query('INSERT INTO done VALUES (1)');
    expect(await failed(db.query('INSERT INTO done VALUES ($1)', [2]))).toBe('58000');
    await db.query('INSERT INTO done VALUES (3)');
    await proxy.apply(TO_POSTGRES, [TO_POSTGRES], { kind: 'fail-request', k: 1 });
    expect(await failed(db.query('INSERT INTO done VALUES (4)'))).toBe('58000');
    await db.query('INSERT INTO done VALUES ($1)', [5]);
    expect(await rows()).toEqual([1, 3, 5]);
  });

  it('fails a request in a transaction so that its COMMIT rolls back', async () => {
    const db = await client();
    await db.query('BEGIN');
    await db.query('INSERT INTO done VALUES (1)');
    await proxy.apply(TO_POSTGRES, [TO_POSTGRES], { kind: 'fail-request', k: 1 });
    expect(await failed(db.query('INSERT INTO done VALUES ($1)', [2]))).toBe('58000');
    expect(await failed(db.query('SELECT 1'))).toBe('25P02');
    expect((await db.query('COMMIT')).command).toBe('ROLLBACK');
    await db.query('INSERT INTO done VALUES (3)');
    expect(await rows()).toEqual([3]);
  });

  it.each([
    ['simple', (db: pg.Client) => db.query('commit;')],
    ['extended', (db: pg.Client) => db.query({ text: 'COMMIT', queryMode: 'extended' } as never)],
    ['named', (db: pg.Client) => db.query({ name: 'c', text: 'COMMIT' })],
  ])('sees a %s COMMIT on its way and keeps its reply back', async (_, commit) => {
    const db = await client();
    await db.query('BEGIN');
    await commit(db); // A named one is parsed here and only bound and executed below.
    let answered = false;
    await db.query('BEGIN');
    const seen = proxy.waitForCommit(5_000).then(() => answered);
    await db.query('INSERT INTO done VALUES (1)');
    await sleep(50); // The wait must be with the proxy before the COMMIT is.
    const committed = commit(db).then(() => {
      answered = true;
    });
    expect(await seen).toBe(false);
    await committed;
    expect(await rows()).toEqual([1]);
  });

  it('does not take other statements for a COMMIT', async () => {
    const db = await client();
    const seen = failed(proxy.waitForCommit(300));
    await db.query('BEGIN');
    await db.query(`SELECT 'commit' AS commit`);
    await db.query('ROLLBACK');
    expect(await seen).toMatch(/no COMMIT was forwarded within 300 ms/);
  });

  it('resets the client when PostgreSQL dies during a COMMIT', async () => {
    const db = await client();
    const { pid } = (await db.query('SELECT pg_backend_pid() AS pid')).rows[0];
    await db.query('BEGIN');
    await db.query('INSERT INTO done VALUES (1)');
    const seen = proxy.waitForCommit(5_000);
    await sleep(50);
    const committed = failed(db.query('COMMIT'));
    await seen;
    await truth.query('SELECT pg_terminate_backend($1)', [pid]);
    expect(await committed).toBe('ECONNRESET');
  });

  it('hangs in a blackhole and heals', async () => {
    const db = await client();
    await proxy.apply(TO_POSTGRES, [TO_POSTGRES], { kind: 'blackhole' });
    const hanging = failed(db.query('INSERT INTO done VALUES (1)'));
    expect(await Promise.race([hanging, sleep(150, 'hangs')])).toBe('hangs');
    expect(await proxy.probe(TO_POSTGRES)).toBe(false);
    await proxy.clear(TO_POSTGRES);
    expect(await hanging).toBe('ECONNRESET');
    expect(await proxy.probe(TO_POSTGRES)).toBe(true);
    expect(await rows()).toEqual([]);
  });
});

describe('Redis', () => {
  it.each([2, 3] as const)(
    'works through the proxy: RESP%i, pipelines, large values',
    async (v) => {
      const raw = await rawClient(port(TO_REDIS));
      raw.send(`HELLO ${v}\r\nPING\r\n`);
      await raw.until(100);
      raw.socket.destroy();
      const db = redis();
      const value = 'y'.repeat(3_000_000);
      await db.set('large', value);
      expect(await db.get('large')).toBe(value);
      const pipeline = db.pipeline();
      for (let index = 0; index < 2_000; index += 1)
        pipeline.set(`k${index}`, index).get(`k${index}`);
      const results = await pipeline.exec();
      expect(results!.at(-1)).toEqual([null, '1999']);
      await db.flushall();
    },
  );

  it('passes subscriptions on', async () => {
    const [listener, speaker] = [redis(), redis()];
    await listener.subscribe('news');
    const heard = new Promise((resolve) => listener.on('message', (_, text) => resolve(text)));
    await proxy.apply(TO_REDIS, [TO_REDIS], { kind: 'fail-request', k: 100 });
    await speaker.publish('news', 'hello');
    expect(await heard).toBe('hello');
  });

  it('cuts the reply of a command that has happened', async () => {
    const db = redis();
    await db.ping();
    await proxy.apply(TO_REDIS, [TO_REDIS], { kind: 'cut-reply', every: 1 });
    expect(await failed(db.incr('counter'))).not.toBe('ok');
    await proxy.clear(TO_REDIS);
    expect(await redis().get('counter')).toBe('1');
    expect(proxy.decisions().at(-1)?.detail).toBe('gateway->redis request 1: INCR');
  });

  it('fails the k-th command of a pipeline and no other', async () => {
    const db = redis();
    await db.ping();
    await proxy.apply(TO_REDIS, [TO_REDIS], { kind: 'fail-request', k: 3 });
    const results = await Promise.allSettled([1, 2, 3, 4].map((n) => db.set(`p${n}`, n)));
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(String((results[2] as PromiseRejectedResult).reason)).toContain('ERR injected');
    expect(await db.mget('p1', 'p2', 'p3', 'p4')).toEqual(['1', '2', null, '4']);
  });

  it('fails a command in MULTI so that EXEC fails, and an EXEC so that nothing happens', async () => {
    for (const [k, answers] of [
      // The first is the login.
      [3, ['OK', 'OK', 'ERR', 'EXECABORT']],
      [4, ['OK', 'OK', 'QUEUED', 'ERR']],
    ] as const) {
      await proxy.apply(TO_REDIS, [TO_REDIS], { kind: 'fail-request', k });
      const raw = await rawClient(port(TO_REDIS));
      const login = `AUTH ${new URL(redisServer.url).password}\r\n`;
      raw.send(`${login}MULTI\r\nSET multi 1\r\nEXEC\r\n`);
      await raw.until(30);
      raw.send('GET multi\r\n');
      await raw.until(raw.received().length + 5);
      const words = [...raw.received().matchAll(/[+-]([A-Z]+)/g)].map((match) => match[1]);
      expect(words).toEqual(answers);
      expect(raw.received()).toMatch(/\$-1\r\n$/);
      raw.socket.destroy();
    }
  });

  it('refuses while reset, and heals', async () => {
    const db = redis();
    await db.ping();
    await proxy.apply(TO_REDIS, [TO_REDIS], { kind: 'reset' });
    expect(await failed(redis().ping())).not.toBe('ok');
    expect(await failed(db.ping())).not.toBe('ok');
    expect(await proxy.probe(TO_REDIS)).toBe(false);
    await proxy.clear(TO_REDIS);
    expect(await proxy.probe(TO_REDIS)).toBe(true);
    expect(await redis().ping()).toBe('PONG');
  });
});
