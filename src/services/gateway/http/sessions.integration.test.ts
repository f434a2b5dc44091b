/**
 * Sessions over HTTP, the same contract on the three designs of turn 1: what the routes promise, and what they answer
 * to anything that is not a request. What a design is known to do wrong is asserted as well.
 */
import { request as httpRequest } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { findDesign } from '../../lineage.ts';
import { SEED_PASSWORD, seedEmail } from '../../sessions/seed.ts';
import { makeToken } from '../../sessions/token.ts';
import { bearer, client, type Send } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  startPlatform,
  usersWithoutHistory,
} from '../fixtures/platform.ts';
import { systemRandom } from '../system.ts';
import { COOKIE_NAME } from './presented-token.ts';

const size = usersWithoutHistory(200);
const cheap = { cost: 16, blockSize: 1, parallelization: 1, maxConcurrent: 1 } as const;

const { postgres, redis } = sharedStores('sessions');

/** fetch refuses to send these: cookies twice, control characters, very long headers. */
function sendRaw(
  url: string,
  options: { method?: string; headers?: Record<string, string | string[]>; body?: string } = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    const { body, ...rest } = options;
    const request = httpRequest(url, { ...rest, agent: false }, (response) => {
      let text = '';
      response.on('data', (data) => {
        text += data;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: text }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe.each(['turn1.before', 'turn1.sample', 'turn1.after'])('%s', (name) => {
  const full = findDesign(name);
  const password = { ...full.sessions.password, ...cheap };
  const design = { ...full, sessions: { ...full.sessions, password } };
  const schema = name.replace('.', '_');
  const remembers = design.sessions.store.kind === 'redis-ttl';
  let platform: Platform;
  let elsewhere: Platform;
  let anyone: Send;
  let nextUser = 1;

  beforeAll(async () => {
    await prepareSchema(postgres.url, { schema, design, size });
    const given = { databaseUrl: postgres.url, schema, redisUrl: redis.url, design };
    platform = await startPlatform({ ...given, name: 'gateway.1' });
    elsewhere = await startPlatform({ ...given, name: 'gateway.2' });
    anyone = client(platform.url);
  });
  afterAll(async () => {
    await platform?.stop();
    await elsewhere?.stop();
  });

  const credentials = (id: number) => ({ email: seedEmail(id), password: SEED_PASSWORD });
  const login = async (id: number, headers = {}) => {
    const reply = await anyone('POST', '/login', { body: credentials(id), headers });
    expect(reply.status).toBe(200);
    const { token, sessionId } = reply.body as { token: string; sessionId: string };
    return { token, sessionId, send: client(platform.url, bearer(token)), reply };
  };
  const statuses = async (token: string) => [
    (await client(platform.url, bearer(token))('GET', '/session')).status,
    (await client(elsewhere.url, bearer(token))('GET', '/session')).status,
  ];
  const events = async (requestId: string) =>
    (
      await platform.db.query<Record<string, string>>({
        text: `SELECT event, session_id, user_id, actor_id, reason FROM session_events
                WHERE client_request_id = $1 ORDER BY id`,
        values: [requestId],
      })
    ).map((row) => [row.event, row.session_id, row.reason]);
  const join = (id: number, colleague: number) =>
    platform.db.query({
      text: 'UPDATE users SET organisation_id = $2 WHERE id = $1',
      values: [id, colleague],
    });
  const marked = (id: string, more = {}) => ({ ...more, headers: { 'x-request-id': id } });

  it('records the life cycle, each change once, with the request that made it', async () => {
    const id = nextUser++;
    const first = await anyone('POST', '/login', marked(`${name}-1`, { body: credentials(id) }));
    const old = first.body.sessionId;
    const send = client(platform.url, bearer(first.body.token));
    const renewed = await send('POST', '/session/renew', marked(`${name}-2`));
    expect(renewed.body.endsAt).toBe(first.body.endsAt);
    const again = client(platform.url, bearer(renewed.body.token));
    await again('POST', '/logout', marked(`${name}-3`));
    const wrong = { ...credentials(id), password: 'not the password' };
    await anyone('POST', '/login', marked(`${name}-4`, { body: wrong }));
    expect(await events(`${name}-1`)).toEqual([['created', old, 'login']]);
    expect((await events(`${name}-2`)).sort()).toEqual([
      ['created', renewed.body.sessionId, 'renewal'],
      ['rotated', old, 'renewal'],
    ]);
    expect(await events(`${name}-3`)).toEqual([['revoked', renewed.body.sessionId, 'logout']]);
    expect(await events(`${name}-4`)).toEqual([['refused', null, 'invalid-credentials']]);
  });

  it('ends at logout everywhere, and clears the browser', async () => {
    const { token, send } = await login(nextUser++);
    expect(await statuses(token)).toEqual([200, 200]);
    const reply = await send('POST', '/logout');
    expect([reply.status, reply.headers.get('clear-site-data')]).toEqual([
      204,
      '"cache", "storage"',
    ]);
    // The known defect of the sample: the other process remembers what it accepted.
    expect(await statuses(token)).toEqual([401, remembers ? 200 : 401]);
  });

  it('lists sessions, ends one, the others, all', async () => {
    const id = nextUser++;
    const [a, b, c, d] = [await login(id), await login(id), await login(id), await login(id)];
    const listed = (await a.send('GET', '/sessions')).body.items;
    expect(listed.map((one: { id: string }) => one.id).sort()).toEqual(
      [a, b, c, d].map(({ sessionId }) => sessionId).sort(),
    );
    expect(listed.find((one: { current: boolean }) => one.current)).toMatchObject({
      id: a.sessionId,
      ip: '127.0.0.1',
      device: 'node',
      createdAt: expect.stringMatching(/Z$/),
      lastSeenAt: expect.stringMatching(/Z$/),
    });
    const stranger = await login(nextUser++);
    const theirs = await stranger.send('DELETE', `/sessions/${b.sessionId}`);
    expect([theirs.status, theirs.body.type]).toEqual([
      404,
      'urn:platform:problem:session-not-found',
    ]);
    expect((await a.send('DELETE', `/sessions/${b.sessionId}`)).status).toBe(204);
    expect((await statuses(b.token))[0]).toBe(401);
    expect((await a.send('POST', '/sessions/revoke-others')).body).toEqual({ revoked: 2 });
    expect((await statuses(c.token))[0]).toBe(401);
    expect(await statuses(a.token)).toEqual([200, 200]);
    expect((await a.send('POST', '/sessions/revoke-all')).body).toEqual({ revoked: 1 });
    expect((await statuses(a.token))[0]).toBe(401);
    expect(await statuses(stranger.token)).toEqual([200, 200]);
  });

  it('changes the password only with the present one; the others end, this one gets another token', async () => {
    const id = nextUser++;
    const [a, b] = [await login(id), await login(id)];
    const body = { currentPassword: 'not the password', newPassword: 'another password' };
    const wrong = await a.send('POST', '/password', { body });
    expect([wrong.status, wrong.body.type]).toEqual([403, 'urn:platform:problem:wrong-password']);
    body.currentPassword = SEED_PASSWORD;
    const changed = await a.send('POST', '/password', { body });
    expect(changed.status).toBe(200);
    expect((await statuses(a.token))[0]).toBe(401);
    expect((await statuses(b.token))[0]).toBe(401);
    expect(await statuses(changed.body.token)).toEqual([200, 200]);
    expect((await anyone('POST', '/login', { body: credentials(id) })).status).toBe(401);
    const fresh = { email: seedEmail(id), password: 'another password' };
    expect((await anyone('POST', '/login', { body: fresh })).status).toBe(200);
  });

  it('revokes the API keys of a user whose password changes, and no others', async () => {
    const id = nextUser++;
    const [send, other] = [(await login(id)).send, (await login(nextUser++)).send];
    const keyOf = async (owner: Send) =>
      client(
        platform.url,
        bearer((await owner('POST', '/keys', { body: { name: 'ci' } })).body.token),
      );
    const [mine, theirs] = [await keyOf(send), await keyOf(other)];
    const statusesOf = async () =>
      Promise.all([mine, theirs].map(async (key) => (await key('GET', '/projects')).status));
    expect(await statusesOf()).toEqual([200, 200]);
    const wrong = { currentPassword: 'not the password', newPassword: 'another password' };
    await send('POST', '/password', { body: wrong });
    expect(await statusesOf()).toEqual([200, 200]);
    const body = { ...wrong, currentPassword: SEED_PASSWORD };
    expect((await send('POST', '/password', { body })).status).toBe(200);
    expect(await statusesOf()).toEqual([401, 200]);
  });

  it('refuses a common password and one made of the own address, and names the field', async () => {
    const id = nextUser++;
    const { send } = await login(id);
    const address = `marguerite-${name}@example.test`;
    for (const [password, code] of [
      ['Password1!', 'common-password'],
      [address, 'personal-password'],
      ['marguerite99', 'personal-password'],
    ] as const) {
      const registered = await anyone('POST', '/register', { body: { email: address, password } });
      expect(registered).toMatchObject({
        status: 400,
        body: { type: `urn:platform:problem:${code}`, errors: [{ pointer: '/body/password' }] },
      });
    }
    for (const newPassword of ['iloveyou', seedEmail(id)]) {
      const body = { currentPassword: SEED_PASSWORD, newPassword };
      const changed = await send('POST', '/password', { body });
      expect(changed).toMatchObject({
        status: 400,
        body: { errors: [{ pointer: '/body/newPassword' }] },
      });
    }
    expect((await anyone('POST', '/login', { body: credentials(id) })).status).toBe(200);
  });

  it('rotates a presented session at login', async () => {
    const id = nextUser++;
    const old = await login(id);
    const next = await login(id, bearer(old.token));
    expect((await statuses(old.token))[0]).toBe(401);
    expect(await statuses(next.token)).toEqual([200, 200]);
    // A cookie another site may have sent along ends nothing.
    await login(id, { cookie: `${COOKIE_NAME}=${next.token}`, 'sec-fetch-site': 'cross-site' });
    expect(await statuses(next.token)).toEqual([200, 200]);
  });

  it('lets only an administrator end the sessions of another user', async () => {
    const [id, admin] = [nextUser++, nextUser++];
    await join(id, admin);
    const [victim, boss] = [await login(id), await login(admin)];
    const url = `/admin/users/${id}/revoke-sessions`;
    expect((await boss.send('POST', url)).status).toBe(403);
    await platform.db.query({
      text: `UPDATE users SET role = 'administrator' WHERE id = $1`,
      values: [admin],
    });
    expect((await boss.send('POST', '/admin/users/99999/revoke-sessions')).status).toBe(404);
    const done = await boss.send('POST', url, marked(`${name}-admin`));
    expect(done.body).toEqual({ revoked: 1 });
    expect((await statuses(victim.token))[0]).toBe(401);
    expect(await events(`${name}-admin`)).toEqual([['revoked', victim.sessionId, 'administrator']]);
  });

  it('lets an administrator disable an account: its sessions end, and logins are refused', async () => {
    const [id, admin] = [nextUser++, nextUser++];
    await join(id, admin);
    const [victim, boss] = [await login(id), await login(admin)];
    const url = `/admin/users/${id}/disable`;
    expect((await boss.send('POST', url)).status).toBe(403);
    const text = `UPDATE users SET role = 'administrator' WHERE id = $1`;
    await platform.db.query({ text, values: [admin] });
    const done = await boss.send('POST', url, marked(`${name}-disable`));
    expect(done.body).toEqual({ revoked: 1 });
    expect((await statuses(victim.token))[0]).toBe(401);
    expect(await events(`${name}-disable`)).toEqual([['revoked', victim.sessionId, 'disabled']]);
    const refused = await anyone('POST', '/login', { body: credentials(id) });
    expect([refused.status, refused.body.type]).toEqual([
      401,
      'urn:platform:problem:invalid-credentials',
    ]);
    // May be repeated.
    expect((await boss.send('POST', url)).body).toEqual({ revoked: 0 });
  });

  it('accepts changes with the cookie only from the same origin', async () => {
    const { token } = await login(nextUser++);
    const cookie = `${COOKIE_NAME}=${token}`;
    const host = new URL(platform.url).host;
    const attempt = async (headers: Record<string, string>) =>
      (
        await sendRaw(`${platform.url}/sessions/revoke-others`, {
          method: 'POST',
          headers: { cookie, ...headers },
        })
      ).status;
    expect(await attempt({})).toBe(403);
    expect(await attempt({ 'sec-fetch-site': 'cross-site', origin: `http://${host}` })).toBe(403);
    expect(await attempt({ 'sec-fetch-site': 'same-site' })).toBe(403);
    expect(await attempt({ origin: 'https://evil.example' })).toBe(403);
    expect(await attempt({ origin: 'null' })).toBe(403);
    expect(await attempt({ 'sec-fetch-site': 'same-origin' })).toBe(200);
    expect(await attempt({ 'sec-fetch-site': 'none' })).toBe(200);
    expect(await attempt({ origin: `http://${host}` })).toBe(200);
    expect((await sendRaw(`${platform.url}/session`, { headers: { cookie } })).status).toBe(200);
  });

  it('ignores the session cookie when there are two', async () => {
    const [a, b] = [await login(nextUser), await login(nextUser++)];
    for (const cookie of [
      `${COOKIE_NAME}=${a.token}; ${COOKIE_NAME}=${b.token}`,
      `${COOKIE_NAME}=${a.token};${COOKIE_NAME}=${a.token}`,
      `${COOKIE_NAME}=; ${COOKIE_NAME}=${a.token}`,
    ])
      expect((await sendRaw(`${platform.url}/session`, { headers: { cookie } })).status).toBe(401);
    const cookie = `other=1; ${COOKIE_NAME}=${a.token}; x=${COOKIE_NAME}=y`;
    expect((await sendRaw(`${platform.url}/session`, { headers: { cookie } })).status).toBe(200);
  });

  it('responds to invalid tokens of every shape with 401', async () => {
    const { token } = await login(nextUser++);
    const forged = makeToken('us', systemRandom).token;
    const foreign = makeToken('eu', systemRandom).token;
    const [start, id, secret, check] = token.split('.') as [string, string, string, string];
    const other = forged.split('.')[2];
    const header = fc.oneof(
      fc.constantFrom(forged, foreign, `${start}.${id}.${other}.${check}`, token.toUpperCase()),
      fc.nat({ max: token.length - 1 }).map((length) => token.slice(0, length)),
      fc.string({ unit: fc.integer({ min: 33, max: 126 }).map((c) => String.fromCharCode(c)) }),
      fc.nat({ max: 10_000 }).map((count) => `${start}.${id}.${secret}.${'0'.repeat(count)}`),
    );
    await fc.assert(
      fc.asyncProperty(header, fc.boolean(), async (text, asCookie) => {
        const headers: Record<string, string> = asCookie
          ? { cookie: `${COOKIE_NAME}=${text}` }
          : { authorization: `Bearer ${text}` };
        const reply = await sendRaw(`${platform.url}/session`, { headers });
        expect(reply.status).toBe(401);
        expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/);
      }),
      { numRuns: 60 },
    );
    const logout = await sendRaw(`${platform.url}/logout`, {
      method: 'POST',
      headers: { authorization: `Bearer ${forged}` },
    });
    expect(logout.status).toBe(401);
    const huge = { authorization: `Bearer ${'a'.repeat(2 ** 20)}` };
    const refused = await sendRaw(`${platform.url}/session`, { headers: huge }).catch(
      // The server may close before a megabyte is written.
      () => ({ status: 431, body: '' }),
    );
    expect(refused.status).toBe(431);
    expect(await statuses(token)).toEqual([200, 200]);
  });

  it('responds to login bodies of every invalid shape with 4xx and a problem', async () => {
    const text = fc.oneof(
      fc.json(),
      fc.string(),
      fc.constant(JSON.stringify({ ...credentials(1), password: 'x'.repeat(2 ** 20) })),
      fc
        .record({ email: fc.anything(), password: fc.anything() }, { requiredKeys: [] })
        .map((body) =>
          JSON.stringify(body, (_key, value) => (typeof value === 'bigint' ? 1 : value)),
        )
        .map(String),
    );
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.constantFrom('/login', '/register', '/logout'),
        async (body, url) => {
          const reply = await sendRaw(platform.url + url, {
            method: 'POST',
            body,
            headers: { 'content-type': 'application/json' },
          }).catch(() => null);
          // Null: closed while a body far too large was still being sent.
          if (!reply) return;
          expect([400, 401, 413]).toContain(reply.status);
          expect(JSON.parse(reply.body).type).toMatch(/^urn:platform:problem:/);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes as long to refuse an unknown e-mail address as a wrong password', async () => {
    // Dear enough that work left out would show; in threads, because a process of the idle class waits for everybody else.
    const dear = {
      ...design.sessions.password,
      hashing: 'threads' as const,
      cost: 2 ** 12,
      blockSize: 8,
    };
    const costly = { ...design, sessions: { ...design.sessions, password: dear } };
    const given = { databaseUrl: postgres.url, schema, redisUrl: redis.url, design: costly };
    const third = await startPlatform({ ...given, name: 'gateway.3' });
    try {
      const send = client(third.url);
      const email = `known-${name}@example.test`;
      const registered = { email, password: 'right password' };
      expect((await send('POST', '/register', { body: registered })).status).toBe(202);
      const took = { known: [] as number[], unknown: [] as number[] };
      const details = new Set<string>();
      for (let round = 0; round < 25; round += 1) {
        for (const kind of ['known', 'unknown'] as const) {
          const body = {
            email: kind === 'known' ? email : `no-${email}`,
            password: 'wrong password',
          };
          const startedMs = performance.now();
          const reply = await send('POST', '/login', { body });
          took[kind].push(performance.now() - startedMs);
          const { requestId: _, ...said } = reply.body;
          details.add(JSON.stringify([reply.status, said, [...reply.headers.keys()]]));
        }
      }
      const median = (all: number[]) => all.sort((a, b) => a - b)[all.length >> 1]!;
      const ratio = median(took.unknown) / median(took.known);
      expect(ratio).toBeGreaterThan(0.6);
      expect(ratio).toBeLessThan(1.6);
      expect(details.size).toBe(1);
    } finally {
      await third.stop();
    }
  });

  it('is not misled by line breaks in header fields or stored text', async () => {
    const reply = await anyone('POST', '/login', {
      body: { email: 'a@b.c\r\nset-cookie: x=1', password: 'long enough' },
    });
    expect(reply.status).toBe(400);
    const headers = { 'x-request-id': 'a\tb', 'user-agent': `x${'é'.repeat(300)}\t"'<` };
    const stored = await login(nextUser++, headers);
    const [one] = (await stored.send('GET', '/sessions')).body.items;
    expect(one.device).toHaveLength(200);
  });
});
