/** What the gateway makes of requests that are not what it expects, and what every response says to caches and browsers. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { findDesign } from '../../lineage.ts';
import { bearer, client, type Reply, type Send } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  startPlatform,
  usersWithoutHistory,
  withCheapPasswords,
} from '../fixtures/platform.ts';

const schema = 'requests';
const { postgres, redis } = sharedStores('requests');
let platform: Platform;
let anyone: Send;

beforeAll(async () => {
  const given = { schema, design: withCheapPasswords(findDesign('turn5.after')) };
  await prepareSchema(postgres.url, { ...given, size: usersWithoutHistory(20) });
  platform = await startPlatform({ ...given, databaseUrl: postgres.url, redisUrl: redis.url });
  await platform.db.query({ text: `UPDATE users SET role = 'administrator' WHERE id = 1` });
  anyone = client(platform.url);
});

afterAll(() => platform?.stop());

const as = async (id: string) => client(platform.url, bearer((await platform.login(id)).token));
const json = { 'content-type': 'application/json' };
const pointers = ({ body }: Reply): string[] =>
  (body.errors ?? []).map(({ pointer }: { pointer: string }) => pointer);

describe('path and query', () => {
  const id = '00000000-0000-7000-8000-00000000000a';
  it.each([
    ['/projects?limit=Infinity', '/querystring/limit'],
    ['/projects?limit=NaN', '/querystring/limit'],
    ['/projects?limit=1e1', '/querystring/limit'],
    ['/projects?limit=0x10', '/querystring/limit'],
    ['/projects?limit=%2010', '/querystring/limit'],
    ['/projects?limit=', '/querystring/limit'],
    ['/projects?limit=5&limit=5', '/querystring/limit'],
    ['/projects?__proto__=1', '/querystring/__proto__'],
    ['/session?verbose=1', '/querystring/verbose'],
    [`/projects?cursor=urn:uuid:${id}`, '/querystring/cursor'],
    [`/projects/urn:uuid:${id}`, '/params/id'],
    [`/projects/%7B${id}%7D`, '/params/id'],
    [`/projects/${id.toUpperCase()}`, '/params/id'],
    [`/audit/urn:uuid:${id}/proof`, '/params/id'],
    ['/admin/rate-limits?cursor=%00', '/querystring/cursor'],
    ['/audit?targetId=a%00b', '/querystring/targetId'],
    ['/projects/search?q=%00', '/querystring/q'],
  ])('GET %s is refused by the name of its field', async (url, pointer) => {
    const reply = await (await as('1'))('GET', url);
    expect([reply.status, pointers(reply)]).toEqual([400, [pointer]]);
    expect(reply.body.detail).toContain(pointer);
  });

  it('a limit in plain digits is a number', async () => {
    const reply = await (await as('2'))('GET', '/projects?limit=2');
    expect([reply.status, reply.body.items.length]).toEqual([200, 2]);
  });
});

describe('a body', () => {
  it('is not converted: `true` is no limit, and a number is no name', async () => {
    const administrator = await as('1');
    const url = '/admin/rate-limits/tier/standard/user';
    for (const limit of [true, '5', null, [5]]) {
      const reply = await administrator('PUT', url, { body: { limit, mode: 'enforce' } });
      expect([reply.status, pointers(reply)]).toEqual([400, ['/body/limit']]);
    }
    expect((await administrator('GET', '/admin/rate-limits')).body.items).toEqual([]);
    for (const name of [12, true, null, ['a'], { a: 1 }]) {
      const reply = await administrator('POST', '/projects', { body: { name } });
      expect([reply.status, pointers(reply)]).toEqual([400, ['/body/name']]);
    }
  });

  it.each([
    ['{}', '/body/name'],
    ['{"name":"a","owner":"1"}', '/body/owner'],
    ['{"name":"a","constructor":1}', '/body/constructor'],
    ['{"name":"a","a/b~":1}', '/body/a~1b~0'],
    ['{"name":"\\ud800"}', '/body/name'],
    ['{"name":"a\\u0000"}', '/body/name'],
  ])('%s is refused by the name of its field', async (raw, pointer) => {
    const reply = await (await as('3'))('POST', '/projects', { raw });
    expect([reply.status, pointers(reply)]).toEqual([400, [pointer]]);
  });

  it.each(['{"name":"a","__proto__":{}}', '{"constructor":{"prototype":{}},"name":"a"}'])(
    'that sets a prototype is refused: %s',
    async (raw) => {
      const reply = await (await as('3'))('POST', '/projects', { raw });
      expect([reply.status, reply.body.type]).toEqual([400, 'urn:platform:problem:malformed-json']);
    },
  );

  it.each([
    ['of JSON', { raw: '', headers: json }],
    ['of text', { raw: '', headers: { 'content-type': 'text/plain;charset=UTF-8' } }],
    ['of a media type that is none', { raw: '', headers: { 'content-type': ';' } }],
    ['that is left out', { headers: json }],
    ['with nothing in it', { raw: '{}', headers: json }],
  ])(
    '%s and empty is accepted where none is expected, so a logout ends the session',
    async (_, more) => {
      const send = await as('4');
      expect((await send('POST', '/logout', more)).status).toBe(204);
      expect((await send('GET', '/me')).status).toBe(401);
    },
  );

  it('sent in chunks and empty is accepted as well', async () => {
    const { token } = await platform.login('5');
    const text = await raw(
      `POST /logout HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\n` +
        'content-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n',
    );
    expect(text).toMatch(/^HTTP\/1\.1 204 /);
  });

  it('that says something where none is expected is refused', async () => {
    const send = await as('6');
    const reply = await send('POST', '/sessions/revoke-all', { body: { except: 'this' } });
    expect([reply.status, pointers(reply)]).toEqual([400, ['/body/except']]);
    for (const body of [[], 'text', null, 12]) {
      const refused = await send('POST', '/sessions/revoke-all', { body });
      expect([refused.status, pointers(refused)]).toEqual([400, ['/body']]);
    }
    expect((await send('GET', '/me')).status).toBe(200);
  });

  it('that is empty where one is expected is refused as such', async () => {
    const reply = await (await as('7'))('POST', '/projects', { raw: '', headers: json });
    expect([reply.status, pointers(reply)]).toEqual([400, ['/body']]);
  });
});

/** Sends the bytes and returns all that comes back. */
async function raw(bytes: string): Promise<string> {
  const { hostname, port } = new URL(platform.url);
  const socket = connect(Number(port), hostname);
  // Not ended, which would abort the request: the server closes.
  socket.write(bytes);
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}

describe('the id of a request', () => {
  interface Row {
    readonly request_id: string;
    readonly client_request_id: string | null;
  }
  const rows = (table: string, user: string) =>
    platform.db.query<Row>({
      text: `SELECT request_id, client_request_id FROM ${table}
              WHERE user_id = $1 AND request_id NOT IN ('fixture', 'seed:session') ORDER BY id`,
      values: [user],
    });

  it("is ours in the log, one for each request, also when clients send the same or each other's", async () => {
    const [one, other] = [await as('9'), await as('10')];
    const same = { headers: { 'x-request-id': 'the-same' } };
    const replies = [
      await one('GET', '/me', same),
      await one('GET', '/me', same),
      await other('GET', '/me', same),
      await one('POST', '/logout', same),
    ];
    const answered = replies.map(({ headers }) => headers.get('x-request-id')!);
    expect(new Set(answered).size).toBe(4);
    // The id of another's request, sent as one's own.
    await other('GET', '/me', { headers: { 'x-request-id': answered[0]! } });
    const [ofOne, ofOther] = [await rows('audit_logs', '9'), await rows('audit_logs', '10')];
    expect(ofOne).toEqual(
      [0, 1, 3].map((at) => ({ request_id: answered[at], client_request_id: 'the-same' })),
    );
    expect(ofOther.map(({ client_request_id }) => client_request_id)).toEqual([
      'the-same',
      answered[0],
    ]);
    const all = [...ofOne, ...ofOther].map(({ request_id }) => request_id);
    expect(new Set(all).size).toBe(all.length);
    expect(await rows('session_events', '9')).toEqual([
      { request_id: answered[3], client_request_id: 'the-same' },
    ]);
  });

  it('of a hostile client is bounded and escaped, and one that looks seeded or ours hides nothing', async () => {
    const person = await as('11');
    const sent = ['seed:session', "=cmd|'x'", `${'x'.repeat(64)}\t\u00e9`, 'a, b'];
    for (const id of sent)
      expect((await person('GET', '/me', { headers: { 'x-request-id': id } })).status).toBe(200);
    await person('GET', '/me');
    const found = await rows('audit_logs', '11');
    expect(found.map(({ client_request_id }) => client_request_id)).toEqual([
      'seed:session',
      '%3Dcmd%7C%27x%27',
      `${'x'.repeat(64)}~`,
      'a%2C%20b',
      null,
    ]);
    for (const { request_id } of found) expect(request_id).toMatch(/^[0-9a-f-]{36}$/);
    const { items } = (await person('GET', '/audit?action=user.read')).body;
    expect(
      items.map(({ clientRequestId }: { clientRequestId: string }) => clientRequestId),
    ).toEqual(found.map(({ client_request_id }) => client_request_id).toReversed());
  });
});

it.each([
  ['POST', '/nothing', 404, { raw: '{', headers: json }],
  ['POST', '/nothing', 404, { raw: 'a', headers: { 'content-type': 'text/plain' } }],
  ['PUT', '/me', 405, { raw: '{' }],
  ['QUERY', '/me', 405, {}],
])('%s %s is a %i before anything is said of its body', async (method, path, status, more) => {
  expect((await anyone(method, path, more)).status).toBe(status);
});

describe('every response', () => {
  const noStore = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  const shown = ({ headers }: Reply) => ({
    'cache-control': headers.get('cache-control'),
    'x-content-type-options': headers.get('x-content-type-options'),
  });

  it('is stored nowhere and taken for no other type, also an error, a refusal and an unknown path', async () => {
    const person = await as('8');
    const login = { email: 'nobody@example.test', password: 'not the password' };
    const replies: [number, Promise<Reply>][] = [
      [200, person('GET', '/me')],
      [200, person('GET', '/audit')],
      [201, person('POST', '/projects', { body: { name: 'a' } })],
      [401, anyone('GET', '/me')],
      [401, anyone('POST', '/login', { body: login })],
      [400, person('GET', '/projects?limit=x')],
      [404, anyone('GET', '/nothing')],
      [404, person('GET', '/projects/00000000-0000-7000-8000-000000000000')],
      [405, person('PUT', '/me')],
      [415, person('POST', '/projects', { raw: 'a', headers: { 'content-type': 'text/plain' } })],
      [400, person('GET', '/projects/%zz')],
      [414, person('GET', `/projects/${'a'.repeat(200)}`)],
      [200, anyone('GET', '/readyz')],
    ];
    for (const [status, sent] of replies) {
      const reply = await sent;
      expect([reply.status, shown(reply)]).toEqual([status, noStore]);
    }
    const limited: Reply[] = [];
    for (let n = 0; n < 11; n += 1) limited.push(await anyone('POST', '/login', { body: login }));
    const refused = limited.find(({ status }) => status === 429);
    expect(refused && shown(refused)).toEqual(noStore);
    const expects = 'GET /readyz HTTP/1.1\r\nhost: a\r\nexpect: x\r\nconnection: close\r\n\r\n';
    expect(await raw(expects)).toMatch(/^HTTP\/1\.1 417 .*cache-control: no-store/s);
    expect(await raw('NOT HTTP\r\n\r\n')).toMatch(
      /cache-control: no-store\r\nx-content-type-options: nosniff\r\n/,
    );
  });

  it('may be stored only where it is the same for everybody', async () => {
    const reply = await anyone('GET', '/openapi.json');
    expect(shown(reply)).toEqual({ ...noStore, 'cache-control': 'public, max-age=60' });
  });

  it('asks for TLS from now on if it goes through TLS, which a trusted proxy says', async () => {
    const strict = async (path: string, headers: Record<string, string>) =>
      (await anyone('GET', path, { headers })).headers.get('strict-transport-security');
    const https = { 'x-forwarded-proto': 'https' };
    for (const path of ['/readyz', '/me', '/nothing', '/projects?limit=x'])
      expect(await strict(path, https)).toBe('max-age=31536000');
    expect(await strict('/readyz', {})).toBeNull();
    expect(await strict('/readyz', { 'x-forwarded-proto': 'http' })).toBeNull();
    // The last proxy's word counts, not the client's.
    expect(await strict('/readyz', { 'x-forwarded-proto': 'https, http' })).toBeNull();
  });
});
