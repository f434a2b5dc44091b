/** The audit log over HTTP: access by organisation, recorded reads, erasure of a person. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../sim/effects/testbed/fixtures/bed.ts';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { findDesign } from '../../lineage.ts';
import { SEED_PASSWORD, seedEmail } from '../../sessions/seed.ts';
import { bearer, client, type Send } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  smallSize,
  startPlatform,
  withCheapPasswords,
} from '../fixtures/platform.ts';

const { postgres, redis } = sharedStores('audit-reading');
const schema = 'audit_reading';
const design = withCheapPasswords(findDesign('turn4.after'));
let platform: Platform;

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design, size: smallSize });
  platform = await startPlatform({
    databaseUrl: postgres.url,
    schema,
    redisUrl: redis.url,
    design,
  });
});
afterAll(() => platform?.stop());

async function loggedIn(userId: string): Promise<Send> {
  const { token } = await platform.login(userId);
  const headers = { ...bearer(token), 'user-agent': `browser of ${userId}` };
  return client(platform.url, headers);
}

const become = (role: string, userId: string) =>
  platform.db.query({
    text: 'UPDATE users SET role = $1 WHERE id = $2',
    values: [role, userId],
  });
const missing = '019aa4b1-2c33-7abc-8def-0123456789ab';
const newest = async (send: Send, query = '') =>
  (await send('GET', `/audit?limit=100${query}`)).body;
const actionsOf = async (userId: string) =>
  (
    await platform.db.query<{ action: string; resource_id: string | null; outcome: string }>({
      text: `SELECT action, resource_id, outcome FROM audit_logs
              WHERE user_id = $1 AND request_id NOT LIKE 'seed:%' ORDER BY id`,
      values: [userId],
    })
  ).map(({ action, resource_id, outcome }) => [action, resource_id, outcome]);

describe('reading the log', () => {
  it('shows an organisation its own events, with the address and device of who acted', async () => {
    const send = await loggedIn('11');
    const created = await send('POST', '/projects', { body: { name: 'audited' } });
    await send('GET', `/projects/${missing}`);
    const { items } = await newest(send, '&targetType=project');
    expect(items.slice(0, 2)).toMatchObject([
      { action: 'project.read', outcome: 'denied', reason: 'project-not-found' },
      { action: 'project.create', outcome: 'success', reason: null, resourceId: created.body.id },
    ]);
    for (const item of items.slice(0, 2))
      expect(item).toMatchObject({
        userId: '11',
        keyId: null,
        region: 'us',
        service: 'gateway',
        erased: false,
        personal: { ip: '127.0.0.1', userAgent: 'browser of 11' },
      });
    const one = await send('GET', `/audit/${items[0].eventId}`);
    expect([one.status, one.body]).toEqual([200, items[0]]);
  });

  it('shows no event, proof or page of another organisation', async () => {
    const [mine, other] = [await loggedIn('12'), await loggedIn('13')];
    await mine('GET', '/me');
    const { items } = await newest(mine);
    const page = await mine('GET', '/audit?limit=1');
    for (const { eventId } of items.slice(0, 3))
      for (const path of [`/audit/${eventId}`, `/audit/${eventId}/proof`])
        expect(await other('GET', path)).toMatchObject({
          status: 404,
          body: { type: 'urn:platform:problem:event-not-found' },
        });
    expect((await other('GET', '/audit?actor=12')).body.type).toBe(
      'urn:platform:problem:not-auditor',
    );
    await become('auditor', '13');
    expect(await newest(other, '&actor=12')).toEqual({ items: [], next: null });
    const stolen = await other('GET', `/audit?limit=1&cursor=${page.body.next}`);
    expect([stolen.status, stolen.body.type]).toEqual([400, 'urn:platform:problem:invalid-cursor']);
    const seen = (await newest(other)).items.map(({ userId }: { userId: string }) => userId);
    expect([...new Set(seen)]).toEqual(['13']);
  });

  it('shows a member nothing of colleagues, neither their addresses nor that there are events', async () => {
    await platform.db.query({ text: 'UPDATE users SET organisation_id = 17 WHERE id IN (18, 19)' });
    const [member, colleague, auditor] = [
      await loggedIn('17'),
      await loggedIn('18'),
      await loggedIn('19'),
    ];
    await become('auditor', '19');
    await colleague('GET', '/me');
    await member('GET', '/me');
    const theirs = (await newest(auditor, '&actor=18')).items[0];
    expect(theirs).toMatchObject({
      action: 'user.read',
      personal: { ip: '127.0.0.1', userAgent: 'browser of 18' },
    });
    const users = async (send: Send) =>
      new Set((await newest(send)).items.map(({ userId }: { userId: string }) => userId));
    expect(await users(member)).toEqual(new Set(['17']));
    expect(await users(auditor)).toEqual(new Set(['17', '18', '19']));
    for (const path of [`/audit/${theirs.eventId}`, `/audit/${theirs.eventId}/proof`]) {
      const refused = await member('GET', path);
      expect([refused.status, refused.body.type]).toEqual([
        404,
        'urn:platform:problem:event-not-found',
      ]);
    }
    for (const actor of ['18', 'user:18', '4711']) {
      const refused = await member('GET', `/audit?actor=${actor}`);
      expect([refused.status, refused.body.type]).toEqual([
        403,
        'urn:platform:problem:not-auditor',
      ]);
    }
    expect((await newest(member, '&actor=17')).items[0].userId).toBe('17');
    expect(await newest(member, '&actor=key:1')).toEqual({ items: [], next: null });
    const page = (await auditor('GET', '/audit?limit=1')).body;
    const stolen = await member('GET', `/audit?limit=1&cursor=${page.next}`);
    expect(stolen.body.type).toBe('urn:platform:problem:invalid-cursor');
  });

  it('ends with the membership, for a session from before too, whatever copies of it there are', async () => {
    await become('auditor', '22');
    const send = await loggedIn('22');
    const { eventId } = (await newest(send)).items[0] ?? { eventId: missing };
    expect((await send('GET', '/audit')).status).toBe(200);
    await platform.db.query({ text: 'UPDATE users SET organisation_id = 23 WHERE id = 22' });
    for (const path of ['/audit', `/audit/${eventId}`, `/audit/${eventId}/proof`]) {
      const refused = await send('GET', path);
      expect([refused.status, refused.body.type]).toEqual([
        401,
        'urn:platform:problem:membership-ended',
      ]);
    }
    const again = await loggedIn('22');
    const { items } = await newest(again);
    expect(items).toEqual([]);
  });

  it('is itself recorded, also when it was refused', async () => {
    const send = await loggedIn('14');
    const found = await send('GET', '/audit?limit=1&action=project.*');
    const { eventId } = found.body.items[0];
    await send('GET', `/audit/${eventId}`);
    await send('GET', `/audit/${missing}`);
    await send('GET', '/audit?cursor=nonsense');
    expect(await actionsOf('14')).toEqual([
      ['audit.search', null, 'success'],
      ['audit.read', eventId, 'success'],
      ['audit.read', missing, 'denied'],
      ['audit.search', null, 'failure'],
    ]);
  });

  it('requires a session: 403 with a key, 401 without credentials', async () => {
    const send = await loggedIn('15');
    const { token } = (await send('POST', '/keys', { body: { name: 'ci' } })).body;
    const withKey = client(platform.url, bearer(token));
    const anyone = client(platform.url);
    for (const path of ['/audit', `/audit/${missing}`, `/audit/${missing}/proof`]) {
      expect((await withKey('GET', path)).status).toBe(403);
      expect((await anyone('GET', path)).status).toBe(401);
    }
    const body = { password: SEED_PASSWORD };
    expect((await withKey('DELETE', '/me/personal-data', { body })).status).toBe(403);
  });

  it.each([
    ['actor=x', 400],
    ['actor=key:1/2', 400],
    ['from=2026-02-30', 400],
    ['to=yesterday', 400],
    ['limit=101', 400],
    ['outcome=other', 400],
    ['unknown=1', 400],
    ['action=\u0000', 400],
    ["targetId='; DROP TABLE users; --", 200],
    ['from=2026-11-20&to=2026-11-19', 200],
  ])('answers %s with %i', async (query, status) => {
    const send = await loggedIn('16');
    expect((await send('GET', `/audit?${encodeURI(query)}`)).status).toBe(status);
  });
});

describe('a proof', () => {
  it('is available once the event is under a checkpoint, and 409 with retry-after before', async () => {
    const send = await loggedIn('21');
    await send('GET', '/me');
    const { eventId } = (await newest(send, '&action=user.read')).items[0];
    await eventually('the event is proven', async () => {
      const { status, body, headers } = await send('GET', `/audit/${eventId}/proof`);
      if (status === 409) {
        expect(body.type).toBe('urn:platform:problem:not-sequenced');
        expect(headers.get('retry-after')).toBe('1');
      } else expect(status).toBe(200);
      return status === 200;
    });
  });
});

describe('the erasure of a person', () => {
  const password = SEED_PASSWORD;
  const erase = (send: Send, body: unknown = { password }) =>
    send('DELETE', '/me/personal-data', { body });
  const [erasing, colleague] = ['31', '30'] as const;

  it('needs the password: a stolen session erases nothing', async () => {
    const send = await loggedIn('35');
    await send('GET', '/me');
    const wrong = await erase(send, { password: 'a thief guesses' });
    expect([wrong.status, wrong.body.type]).toEqual([403, 'urn:platform:problem:wrong-password']);
    expect((await erase(send, {})).status).toBe(400);
    expect((await send('DELETE', '/me/personal-data')).status).toBe(400);
    const found = (await newest(send, '&action=user.read')).items[0];
    expect(found).toMatchObject({ erased: false, personal: { userAgent: 'browser of 35' } });
    expect((await actionsOf('35')).filter(([action]) => action === 'subject.erase')).toEqual([
      ['subject.erase', '35', 'denied'],
      ['subject.erase', null, 'failure'],
      ['subject.erase', null, 'failure'],
    ]);
  });

  it('leaves the person nowhere: log, account, sessions, keys, projects; the log goes on under a new key', async () => {
    await platform.db.query({
      text: `UPDATE users SET organisation_id = 31, role = 'auditor' WHERE id = 30`,
    });
    const { token } = await platform.login(erasing);
    const send = client(platform.url, { ...bearer(token), 'user-agent': 'browser of 31' });
    const reader = await loggedIn(colleague);
    const { body: key } = await send('POST', '/keys', { body: { name: 'key of Jane' } });
    await send('POST', '/projects', { body: { name: 'project of Jane' } });
    await send('GET', '/me');
    const [before] = (await newest(reader, '&actor=31&action=user.read')).items;
    expect(before.personal).toEqual({ ip: '127.0.0.1', userAgent: 'browser of 31' });

    const reply = await erase(send);
    expect([reply.status, reply.headers.get('clear-site-data')]).toEqual([
      204,
      '"cache", "storage"',
    ]);
    expect((await reader('GET', `/audit/${before.eventId}`)).body).toEqual({
      ...before,
      personal: null,
      erased: true,
    });
    expect((await send('GET', '/me')).status).toBe(401);
    await eventually('the key is refused', async () => {
      const withKey = client(platform.url, bearer(key.token));
      return (await withKey('GET', '/projects')).status === 401;
    });
    const tables = await Promise.all(
      [
        'SELECT email, password_hash, disabled_at IS NOT NULL AS disabled FROM users WHERE id = 31',
        'SELECT DISTINCT device, ip, revoked_at IS NOT NULL AS ended FROM sessions WHERE user_id = 31',
        'SELECT DISTINCT name, revoked_at IS NOT NULL AS ended FROM api_keys WHERE owner_id = 31',
        'SELECT name FROM projects WHERE owner_id = 31',
      ].map((text) => platform.db.query({ text })),
    );
    expect(tables).toEqual([
      [{ email: 'erased:31', password_hash: 'erased', disabled: true }],
      [{ device: null, ip: null, ended: true }],
      [{ name: 'erased', ended: true }],
      [],
    ]);

    // A further use of the ended session is on record, and is not blind.
    const afterwards = client(platform.url, {
      ...bearer(token),
      'user-agent': 'whoever came later',
    });
    expect((await afterwards('POST', '/logout')).status).toBe(204);
    const seen = (await newest(reader, '&actor=31')).items.slice(0, 2);
    expect(seen).toMatchObject([
      { action: 'session.logout', erased: false, personal: { userAgent: 'whoever came later' } },
      { action: 'subject.erase', erased: false, personal: { userAgent: 'browser of 31' } },
    ]);
    const [epoch] = await platform.db.query({
      text: 'SELECT epoch, wrapped IS NOT NULL AS sealed FROM audit_subject_keys WHERE user_id = 31',
    });
    expect(epoch).toEqual({ epoch: 2, sealed: true });
  });

  it('may be repeated when its confirmation was lost, without the password that it erased', async () => {
    const { sessions, users } = platform.services;
    const { token } = await platform.login('32');
    const send = client(platform.url, bearer(token));
    // Committed, and not confirmed: the session is still taken for live from its copy.
    await send('GET', '/session');
    await platform.db.query({
      text: `UPDATE users SET email = 'erased:32', password_hash = 'erased', disabled_at = now() WHERE id = 32`,
    });
    expect(await users.isErased('32')).toBe(true);
    expect((await erase(send)).status).toBe(204);
    expect(await sessions.check(token)).toBeNull();
    expect((await erase(send)).status).toBe(401);
    expect((await actionsOf('32')).filter(([action]) => action === 'subject.erase')).toEqual([
      ['subject.erase', '32', 'success'],
    ]);
  });

  it('does not help itself to an account that an administrator has disabled', async () => {
    const { token } = await platform.login('36');
    const send = client(platform.url, bearer(token));
    await send('GET', '/session');
    await platform.db.query({ text: 'UPDATE users SET disabled_at = now() WHERE id = 36' });
    expect((await erase(send)).status).toBe(403);
  });

  it('frees the address: the person may register again, as somebody new', async () => {
    const anyone = client(platform.url);
    const login = async () =>
      (await anyone('POST', '/login', { body: { email: seedEmail(37), password } })).body;
    const { token, userId } = await login();
    expect(userId).toBe('37');
    expect((await erase(client(platform.url, bearer(token)))).status).toBe(204);
    expect((await login()).status).toBe(401);
    await anyone('POST', '/register', { body: { email: seedEmail(37), password } });
    expect(Number((await login()).userId)).toBeGreaterThan(37);
  });

  it('does not affect other users', async () => {
    const [one, other] = [await loggedIn('33'), await loggedIn('34')];
    await other('GET', '/me');
    expect((await erase(one)).status).toBe(204);
    expect((await newest(other, '&action=user.read')).items[0]).toMatchObject({
      personal: { ip: '127.0.0.1', userAgent: 'browser of 34' },
      erased: false,
    });
  });
});

describe('a design without a log', () => {
  it('offers no reading of it', async () => {
    const document = await client(platform.url)('GET', '/openapi.json');
    expect(Object.keys(document.body.paths)).toEqual(
      expect.arrayContaining(['/audit', '/audit/{id}', '/audit/{id}/proof', '/me/personal-data']),
    );
    const without = findDesign('turn1.after');
    await prepareSchema(postgres.url, { schema: 'no_log', design: without, size: smallSize });
    const plain = await startPlatform({
      databaseUrl: postgres.url,
      schema: 'no_log',
      redisUrl: redis.url,
      design: without,
    });
    try {
      expect((await client(plain.url)('GET', '/audit')).status).toBe(404);
    } finally {
      await plain.stop();
    }
  });
});
