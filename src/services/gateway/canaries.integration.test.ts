/**
 * Canaries: after every kind of request that carries a token or a password, in the cookie and as bearer, refused and
 * accepted, nothing that could be used stands in Redis, in PostgreSQL (tables, files, WAL), in what any process wrote,
 * or in the metrics. Then a token is put into each of these places, and the same scan must find it there.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import { makeSecret } from '../api-keys/token.ts';
import { findDesign } from '../lineage.ts';
import { makeToken } from '../sessions/token.ts';
import { openConnection } from './clients.ts';
import { bearer, client } from './fixtures/client.ts';
import { prepareSchema, schemaUrl, usersWithoutHistory } from './fixtures/platform.ts';
import { COOKIE_NAME } from './http/presented-token.ts';
import { openRedis } from './redis-clients.ts';
import { systemRandom } from './system.ts';

const dist = fileURLToPath(new URL('../../../dist/services/gateway/main.js', import.meta.url));
const size = usersWithoutHistory(5);
/** Every session token, seeded or issued. */
const tokenShape =
  /ps_[a-z]{2,8}\.[\w-]{22}\.[\w-]{43}\.[0-9a-f]{8}|p[ka]_[0-9]+_(?:[0-9]+_)?[\w-]{43}_[0-9a-f]{8}/g;
const secretOf = (token: string) => /([\w-]{43})[._][0-9a-f]{8}$/.exec(token)![1]!;

const { postgres, redis } = ownStores('canaries', {
  // As talkative as it gets.
  log_statement: 'all',
  log_parameter_max_length_on_error: '-1',
  log_min_messages: 'debug1',
  max_connections: '60',
});
let child: ChildProcess | undefined;
let closing: (() => unknown)[] = [];
/** Of the designs before: WAL and logs keep them. */
const planted = new Set<string>();

afterEach(async () => {
  child?.kill('SIGKILL');
  for (const close of closing) await close();
  closing = [];
});

/** One secret in the encodings it might be written in. */
function encodingsOf(secret: string): Buffer[] {
  const bytes = Buffer.from(secret);
  const raw = Buffer.from(secret, 'base64url');
  const inner = (text: string) => Buffer.from(text.slice(2, -3));
  return [
    bytes,
    Buffer.from(encodeURIComponent(secret)),
    Buffer.from(bytes.toString('hex')),
    // Base64 of a longer text that contains it begins at one of three offsets.
    ...['', 'x', 'xx'].map((before) => inner(Buffer.from(before + secret).toString('base64'))),
    ...(raw.length === 32 ? [raw, Buffer.from(raw.toString('hex'))] : []),
  ];
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

it.each(['turn1.before', 'turn1.sample', 'turn1.after'])('%s keeps no secret', async (name) => {
  const schema = name.replace('.', '_');
  const design = findDesign(name);
  await prepareSchema(postgres.url, { schema, design, size });
  const stateDirectory = mkdtempSync(path.join(tmpdir(), 'canaries-'));
  closing.push(() => rmSync(stateDirectory, { recursive: true, force: true }));
  const config = {
    name: 'gateway.1',
    seed: 7,
    stateDirectory,
    addresses: {
      database: { url: schemaUrl(postgres.url, schema), namespace: schema },
      redis: { url: redis.url, namespace: `${schema}:` },
    },
    params: { design: name, logLevel: 'trace' },
  };
  child = fork(dist, {
    env: { ...process.env, PLATFORM_PROCESS: JSON.stringify(config) },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const written: Buffer[] = [];
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (data) => written.push(data));
  const [{ url, operationsUrl }] = (await once(child, 'message')) as [
    { url: string; operationsUrl: string },
  ];
  const send = client(url);
  const db = await openConnection(schemaUrl(postgres.url, schema));
  const keys = openRedis(redis.url, () => {});
  closing.push(
    () => db.close(),
    () => keys.disconnect(),
  );

  const secrets = new Map<string, string>();
  const keep = (what: string, token: string) => {
    secrets.set(what, token);
    secrets.set(`${what}, its secret`, secretOf(token));
    return token;
  };

  const scan = async (): Promise<string[]> => {
    await db.query({ text: 'CHECKPOINT' });
    const places = new Map<string, Buffer>();
    for (const key of await keys.keys('*')) {
      const value =
        (await keys.type(key)) === 'set' ? await keys.smembers(key) : [await keys.get(key)];
      places.set(`redis ${key}`, Buffer.from([key, ...value].join('\n')));
    }
    const tables = await db.query<{ name: string }>({
      text: `SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = $1`,
      values: [schema],
    });
    for (const { name: table } of tables) {
      const rows = await db.query<{ row: string }>({
        text: `SELECT t::text AS row FROM ${table} AS t`,
      });
      places.set(`table ${table}`, Buffer.from(rows.map(({ row }) => row).join('\n')));
    }
    for (const file of filesBelow(postgres.folder)) places.set(`file ${file}`, readFileSync(file));
    places.set('log of the gateway', Buffer.concat(written));
    places.set('metrics', Buffer.from((await client(operationsUrl)('GET', '/metrics')).body));
    const found: string[] = [];
    for (const [place, content] of places) {
      for (const [what, secret] of secrets)
        if (encodingsOf(secret).some((shape) => content.includes(shape)))
          found.push(`${what} in ${place}`);
      for (const [token] of content.toString('latin1').matchAll(tokenShape))
        if (!planted.has(token)) found.push(`${token} in ${place}`);
    }
    return found;
  };

  const [password, next] = [1, 2].map(() => `pass ${systemRandom.bytes(24).toString('hex')}`);
  secrets.set('password', password!).set('new password', next!);
  const credentials = { email: 'canary@example.test', password };
  expect((await send('POST', '/register', { body: credentials })).status).toBe(202);
  const login = async (what: string, body: object, headers = {}) => {
    const reply = await send('POST', '/login', { body, headers });
    expect(reply.status).toBe(200);
    return keep(what, reply.body.token as string);
  };
  const first = await login('first token', credentials);
  const second = await login('second token', credentials);
  const third = await login('rotated token', credentials, bearer(second));
  const forged = keep('forged token', makeToken('us', systemRandom).token);
  const wrong = systemRandom.bytes(24).toString('hex');
  secrets.set('wrong password', wrong);
  const refused = await send('POST', '/login', { body: { ...credentials, password: wrong } });
  expect(refused.status).toBe(401);
  for (const token of [first, second, third, forged]) {
    await send('GET', '/session', { headers: bearer(token) });
    await send('GET', '/sessions', { headers: { cookie: `${COOKIE_NAME}=${token}` } });
    await send('POST', '/sessions/revoke-others', {
      headers: { cookie: `${COOKIE_NAME}=${token}` },
    });
    await send('PUT', '/session', { headers: bearer(token) });
    await send('POST', '/login', { raw: '{', headers: bearer(token) });
  }
  // Whichever session is the last that lives.
  const own = await login('fourth token', credentials);
  const made = await send('POST', '/keys', { body: { name: 'canary' }, headers: bearer(own) });
  const { id } = made.body;
  const enrol = { body: { name: 'canary' }, headers: bearer(own) };
  const enrolled = await send('POST', `/keys/${id}/agents`, enrol);
  keep('forged key', makeSecret(systemRandom).token(id, 0));
  keep('key', made.body.token);
  keep('agent', enrolled.body.token);
  for (const what of ['forged key', 'key', 'agent']) {
    const headers = bearer(secrets.get(what)!);
    const { status } = await send('GET', '/projects', { headers });
    expect(status).toBe(what === 'forged key' ? 401 : 200);
    await send('POST', '/keys', { raw: '{', headers });
    await send('DELETE', `/keys/${id}`, { headers });
  }
  expect((await send('DELETE', `/keys/${id}`, { headers: bearer(own) })).status).toBe(204);
  const change = { currentPassword: password, newPassword: next };
  const changed = await send('POST', '/password', { body: change, headers: bearer(own) });
  expect(changed.status).toBe(200);
  const last = keep('token after the change', changed.body.token as string);
  const renewed = await send('POST', '/session/renew', { headers: bearer(last) });
  const left = keep('renewed token', renewed.body.token as string);
  expect((await send('POST', '/logout', { headers: bearer(left) })).status).toBe(204);
  expect(await scan()).toEqual([]);

  // The control: in each kind of place, and found there.
  secrets.clear();
  const control = () => makeToken('us', systemRandom).token;
  const [inRedis, inStatement, inLog] = [control(), control(), control()];
  const inTable = makeSecret(systemRandom).token('1', 2);
  await keys.set(`${schema}:control`, inRedis);
  await db.query({ text: 'CREATE TABLE control (token text)' });
  await db.query({ text: 'INSERT INTO control VALUES ($1)', values: [inTable] });
  await db.query({ text: `SELECT '${inStatement}'` });
  await send('GET', `/nothing?token=${inLog}`);
  const found = await scan();
  const placesOf = (token: string) =>
    found.filter((one) => one.startsWith(token)).map((one) => one.slice(token.length + 4));
  expect(placesOf(inRedis)).toEqual([`redis ${schema}:control`]);
  expect(placesOf(inTable)).toContain('table control');
  expect(placesOf(inTable).filter((place) => place.includes('/data/'))).not.toEqual([]);
  expect(placesOf(inStatement).filter((place) => place.endsWith('pg.log'))).not.toEqual([]);
  expect(placesOf(inLog)).toContain('log of the gateway');
  await keys.del(`${schema}:control`);
  for (const token of [inRedis, inTable, inStatement, inLog]) planted.add(token);
});
