/**
 * No usable token at rest: after logins, checks, renewals and logouts on real gateway processes (dist/) at log level
 * trace, every issued token is searched in Redis (each key's DUMP and a whole RDB), in a COPY of each table of
 * PostgreSQL and in the logs. A token planted in each of them is found, in every form.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { appendFile, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConnection } from '../services/gateway/clients.ts';
import { bearer, client, type Reply, type Send } from '../services/gateway/fixtures/client.ts';
import { systemRandom } from '../services/gateway/system.ts';
import type { Database } from '../services/ports.ts';
import { makeToken } from '../services/sessions/token.ts';
import { makeScratch, type Scratch } from '../sim/effects/testbed/fixtures/bed.ts';
import type { Testbed } from '../sim/effects/testbed/testbed.ts';
import { armOf } from '../sim/plan/plan.ts';
import { resolve } from '../sim/plan/resolve.ts';
import type { Account } from '../sim/pure/load/workload.ts';
import { changedPlatform, startTestPlatform } from './fixtures/platform-parts.ts';
import { formsOf, scan } from './kill-matrix/fixtures/secret-scan.ts';
import { turn1 } from './turn1.ts';

const { topology } = armOf(resolve(turn1, { quick: true, seed: 1 }), 'after');

let scratch: Scratch;
let testbed: Testbed;
let db: Database & { close(): Promise<void> };
let redis: Redis;

beforeAll(async () => {
  scratch = await makeScratch();
  testbed = await startTestPlatform(
    scratch,
    'canaries',
    changedPlatform(topology, {
      instances: 2,
      template: { users: 40 },
      accounts: { count: 20, heavyUsers: 0, groups: [] },
      gateway: { logLevel: 'trace' },
    }),
  );
  db = await openConnection(testbed.node('postgres').address.url);
  redis = new Redis(testbed.node('redis').address.url);
});
afterAll(async () => {
  redis?.disconnect();
  await db?.close();
  await testbed?.stop();
  await scratch?.remove();
});

const secretOf = (token: string) => token.split('.')[2]!;
const cookie = (token: string) => ({ cookie: `__Host-session=${token}` });

/** Uses tokens in valid and invalid requests; returns all tokens. */
async function useThePlatform(): Promise<readonly string[]> {
  const [a, b] = testbed.targets.map(({ url }) => client(url)) as [Send, Send];
  const accounts = JSON.parse(await readFile(testbed.accountsFile, 'utf8')) as Account[];
  const tokens = accounts.map(({ headers }) => headers.authorization!.slice('Bearer '.length));
  const expectToken = ({ status, body }: Reply) => {
    expect(status).toBe(200);
    tokens.push(body.token);
    return body.token as string;
  };
  const { email, password } = accounts[0]!.vars;
  const body = { email, password };
  const first = expectToken(await a('POST', '/login', { body }));
  const second = expectToken(await b('POST', '/login', { body, headers: cookie(first) }));
  for (const token of tokens) {
    for (const send of [a, b, a]) await send('GET', '/session', { headers: bearer(token) });
    await b('GET', '/session', { headers: cookie(token) });
  }
  for (const token of tokens.slice(0, 6))
    expectToken(await a('POST', '/session/renew', { headers: bearer(token) }));
  for (const token of tokens.slice(6, 12)) {
    expect((await b('POST', '/logout', { headers: bearer(token) })).status).toBe(204);
    expect((await a('GET', '/session', { headers: bearer(token) })).status).toBe(401);
  }
  const change = { currentPassword: password, newPassword: 'another long password' };
  expectToken(await a('POST', '/password', { body: change, headers: bearer(second) }));
  // Errors are logged, so malformed tokens are sent too.
  const live = tokens.at(-1)!;
  for (const bad of [`${live}x`, live.slice(0, -1), live.toUpperCase(), `${live},${live}`])
    await a('GET', '/session', { headers: bearer(bad) });
  await a('GET', '/nowhere', { headers: bearer(live) });
  await a('POST', '/login', { raw: '{"email":', headers: bearer(live) });
  await a('DELETE', '/sessions/nothing', { headers: bearer(live) });
  return tokens;
}

/** The snapshot a replica or a backup would get. */
async function rdb(): Promise<Buffer> {
  await redis.config('SET', 'repl-diskless-sync', 'yes');
  await redis.config('SET', 'repl-diskless-sync-delay', '0');
  const { port, password } = new URL(testbed.node('redis').address.url);
  const socket = connect({ host: '127.0.0.1', port: Number(port) });
  // Over the socket, without a file: Redis may not be allowed to write one.
  socket.write(`AUTH ${password}\r\nREPLCONF capa eof\r\n`);
  let bytes = Buffer.alloc(0);
  try {
    for await (const chunk of socket.setTimeout(10_000, () => socket.destroy())) {
      if (bytes.length === 0) socket.write('SYNC\r\n');
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      const header = /\$EOF:(\w{40})\r\n/.exec(bytes.toString('latin1', 0, 200));
      if (header && bytes.lastIndexOf(header[1]!) > header.index + 40) return bytes;
    }
  } finally {
    socket.destroy();
  }
  throw new Error('the snapshot did not come to an end');
}

async function everythingAtRest(): Promise<Map<string, Buffer>> {
  const sources = new Map<string, Buffer>();
  // Compression would hide the searched strings.
  await redis.config('SET', 'rdbcompression', 'no');
  const keys = await redis.keys('*');
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  const named = dumps.flatMap((dump, i) => [Buffer.from(keys[i]!), dump ?? Buffer.alloc(0)]);
  sources.set('Redis, keys', Buffer.concat(named));
  sources.set('Redis, RDB', await rdb());
  const tables = await db.query<{ name: string }>({
    text: `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
            WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  });
  const [where] = await db.query<{ data_directory: string }>({ text: 'SHOW data_directory' });
  const file = path.join(where!.data_directory, 'canaries.copy');
  for (const { name } of tables) {
    // In the format that escapes no backslash.
    await db.query({ text: `COPY ${name} TO '${file}' (FORMAT csv)` });
    sources.set(`PostgreSQL, ${name}`, await readFile(file));
  }
  await rm(file, { force: true });
  for (const log of readdirSync(scratch.logFolder))
    sources.set(`log, ${log}`, readFileSync(path.join(scratch.logFolder, log)));
  return sources;
}

it('leaves no usable token in Redis, PostgreSQL or a log; planted ones are found', async () => {
  const tokens = await useThePlatform();
  await delay(1_200); // The write of "last seen" comes once a second.
  const sources = await everythingAtRest();
  const sizes = (prefix: string) =>
    [...sources]
      .filter(([name]) => name.startsWith(prefix))
      .reduce((sum, [, bytes]) => sum + bytes.length, 0);
  for (const prefix of [
    'Redis, keys',
    'Redis, RDB',
    'PostgreSQL',
    'log, gateway.1',
    'log, gateway.2',
  ])
    expect({ prefix, bytes: sizes(prefix) }).toMatchObject({
      bytes: expect.toSatisfy((n: number) => n > 1_000),
    });
  expect(scan(sources, tokens.map(secretOf))).toEqual([]);

  const { token } = makeToken('us', systemRandom);
  const forms = formsOf(secretOf(token));
  await db.query({ text: 'CREATE TABLE planted (form text, value bytea, line text)' });
  const log = path.join(
    scratch.logFolder,
    readdirSync(scratch.logFolder).find((name) => name.startsWith('gateway.1'))!,
  );
  for (const [i, { form, needle }] of forms.entries()) {
    const isText = form !== 'its bytes';
    await redis.set(`planted:${i}`, needle);
    await db.query({
      text: 'INSERT INTO planted VALUES ($1, $2, $3)',
      values: [form, isText ? null : needle, isText ? needle.toString() : null],
    });
    await appendFile(log, Buffer.concat([Buffer.from('{"line":"'), needle, Buffer.from('"}\n')]));
  }
  const planted = scan(await everythingAtRest(), [secretOf(token)]);
  const formsIn = (where: string) =>
    new Set(planted.filter((one) => one.where.startsWith(where)).map(({ form }) => form));
  const all = new Set(forms.map(({ form }) => form));
  for (const where of ['Redis, keys', 'Redis, RDB', 'log, gateway.1'])
    expect(formsIn(where)).toEqual(all);
  // A COPY writes bytes in hex.
  expect(formsIn('PostgreSQL')).toEqual(new Set([...all].filter((form) => form !== 'its bytes')));
  console.log(
    `canaries: ${tokens.length} tokens, ${forms.length} forms, ${sources.size} sources, ${[...sources.values()].reduce((sum, one) => sum + one.length, 0)} bytes: 0 found; planted: ${planted.length} found`,
  );
});
