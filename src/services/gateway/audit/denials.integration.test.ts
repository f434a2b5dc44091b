/**
 * No denial without an event: what is refused before it is known whose it is, counted, in the tenant where one is known
 * and in the log of the platform otherwise, which only an operator reads.
 */
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../sim/effects/testbed/fixtures/bed.ts';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import type { ExactLimitsDesign } from '../../design.ts';
import { findDesign } from '../../lineage.ts';
import { bearer, client, type Send } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  startPlatform,
  usersWithoutHistory,
} from '../fixtures/platform.ts';
import { COOKIE_NAME } from '../http/presented-token.ts';

const { postgres, redis } = sharedStores('denials');
const schema = 'denials';
const design = findDesign('turn4.after');
const ADDRESS = '198.51.100.7';
let platform: Platform;

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design, size: usersWithoutHistory(20) });
  platform = await startPlatform({
    databaseUrl: postgres.url,
    schema,
    redisUrl: redis.url,
    design,
  });
});
afterAll(() => platform?.stop());

let sinceId = '0';
beforeEach(async () => {
  const [last] = await platform.db.query<{ id: string | null }>({
    text: 'SELECT max(id) AS id FROM audit_logs',
  });
  sinceId = last?.id ?? '0';
});

const from = (address: string, more: Record<string, string> = {}): Send =>
  client(platform.url, { 'x-forwarded-for': address, 'user-agent': 'a script', ...more });

/** Since the test began: whose, what, why, how often. */
async function counted(): Promise<string[]> {
  await platform.denials!.endWindow();
  const rows = await platform.db.query<Record<string, string>>({
    text: `SELECT organisation_id || '/' || user_id AS whose, action, reason, outcome, sum(resource_id::int) AS count,
                  count(sealed) = count(*) AS sealed
             FROM audit_logs WHERE id > $1 AND resource_type = 'denials'
            GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3`,
    values: [sinceId],
  });
  return rows.map(
    ({ whose, action, reason, count, outcome, sealed }) =>
      `${whose} ${action} ${reason} ${outcome} x${count}${sealed ? '' : ' not sealed'}`,
  );
}

async function expectCounted(expected: readonly string[]): Promise<void> {
  await eventually('every denial is recorded', async () => {
    const found = await counted();
    return found.length === expected.length && found.every((one, at) => one === expected[at]);
  }).catch(() => {});
  expect(await counted()).toEqual(expected);
}

describe('what belongs to nobody is in the log of the platform', () => {
  it('bogus tokens and no token', async () => {
    const send = from(ADDRESS, bearer('ps_us.nothing.at.all'));
    for (let times = 0; times < 4; times += 1)
      expect((await send('GET', '/projects')).status).toBe(401);
    expect((await from(ADDRESS)('POST', '/logout')).status).toBe(401);
    await expectCounted([
      '0/0 project.list unauthenticated denied x4',
      '0/0 session.logout unauthenticated denied x1',
    ]);
  });

  it('404, 405, and paths that cannot be read', async () => {
    const send = from(ADDRESS);
    for (const path of ['/wp-admin', '/.env', '/nothing'])
      expect((await send('GET', path)).status).toBe(404);
    expect((await send('PUT', '/projects')).status).toBe(405);
    expect((await send('GET', '/projects/%zz')).status).toBe(400);
    await expectCounted([
      '0/0 route.find invalid-url denied x1',
      '0/0 route.find method-not-allowed denied x1',
      '0/0 route.find not-found denied x3',
    ]);
  });

  it('what is refused before a login or a registration: a body that is not valid, a limit', async () => {
    const send = from('198.51.100.8');
    const statuses: number[] = [];
    for (let times = 0; times < 12; times += 1)
      statuses.push((await send('POST', '/login', { raw: '{' })).status);
    expect(statuses).toEqual([...Array(10).fill(400), 429, 429]);
    await expectCounted([
      '0/0 session.login malformed-json denied x10',
      '0/0 session.login rate-limited denied x2',
    ]);
  });

  it('a cookie sent by another site, when it opens nothing', async () => {
    const send = from(ADDRESS, { cookie: `${COOKIE_NAME}=bogus`, 'sec-fetch-site': 'cross-site' });
    expect((await send('POST', '/logout')).status).toBe(403);
    await expectCounted(['0/0 session.logout cross-site-request denied x1']);
  });
});

describe('what is known is in the tenant', () => {
  /** Users 3 and 4, who are colleagues of user 9. */
  beforeAll(() =>
    platform.db.query({ text: 'UPDATE users SET organisation_id = 9 WHERE id IN (3, 4)' }),
  );

  it("a key on a route of sessions: the key's organisation", async () => {
    const { token } = await platform.login('3');
    const { body: key } = await client(platform.url, bearer(token))('POST', '/keys', {
      body: { name: 'ci' },
    });
    const withKey = from('198.51.100.9', bearer(key.token));
    const forged = from('198.51.100.9', bearer(`${key.token.slice(0, -12)}AAAAAAAAAAAA`));
    for (const path of ['/me', '/me', '/sessions'])
      expect((await withKey('GET', path)).status).toBe(403);
    const refusals = [await withKey('GET', '/me'), await forged('GET', '/me')];
    // The answer does not tell whether the key is valid.
    const [one, other] = refusals.map(({ status, body: { requestId: _, ...body } }) => [
      status,
      body,
    ]);
    expect(other).toEqual(one);
    await expectCounted([
      '0/0 user.read session-needed denied x1',
      '9/3 session.list session-needed denied x1',
      '9/3 user.read session-needed denied x3',
    ]);
    const [row] = await platform.db.query({
      text: `SELECT key_id, agent FROM audit_logs WHERE resource_type = 'denials' AND user_id = 3 LIMIT 1`,
    });
    expect(row).toEqual({ key_id: key.id, agent: 0 });
    // The tenant finds it by itself.
    const { body } = await client(platform.url, bearer(token))('GET', '/audit?targetType=denials');
    expect(body.items[0]).toMatchObject({
      outcome: 'denied',
      reason: 'session-needed',
      personal: { ip: '198.51.100.9', userAgent: 'a script' },
    });
  });

  it('a cookie sent by another site: the organisation of its session', async () => {
    const { token } = await platform.login('4');
    const send = from(ADDRESS, {
      cookie: `${COOKIE_NAME}=${token}`,
      'sec-fetch-site': 'cross-site',
    });
    for (let times = 0; times < 3; times += 1)
      expect((await send('POST', '/projects', { body: { name: 'forged' } })).status).toBe(403);
    await expectCounted(['9/4 project.create cross-site-request denied x3']);
  });

  it('what has an event of its own is not counted beside it', async () => {
    const { token } = await platform.login('5');
    const send = from(ADDRESS, bearer(token));
    expect((await send('GET', '/projects/not-a-uuid')).status).toBe(400);
    expect((await send('GET', '/admin/rate-limits')).status).toBe(403);
    await expectCounted([]);
  });
});

describe('the log of the platform', () => {
  const operator = async () => {
    await platform.db.query({ text: `UPDATE users SET role = 'operator' WHERE id = 6` });
    return client(platform.url, bearer((await platform.login('6')).token));
  };

  it('is read by an operator, address and device included, and by nobody else', async () => {
    await from('203.0.113.99')('GET', '/admin.php');
    await expectCounted(['0/0 route.find not-found denied x1']);
    const send = await operator();
    const { body } = await send('GET', '/admin/audit?targetType=denials');
    expect(body.items[0]).toMatchObject({
      userId: '0',
      action: 'route.find',
      resourceId: '1',
      personal: { ip: '203.0.113.99', userAgent: 'a script' },
    });
    const { eventId } = body.items[0];
    expect((await send('GET', `/admin/audit/${eventId}`)).body).toEqual(body.items[0]);
    const member = client(platform.url, bearer((await platform.login('7')).token));
    for (const path of ['/admin/audit', `/admin/audit/${eventId}`, `/admin/audit/${eventId}/proof`])
      expect((await member('GET', path)).status).toBe(403);
    for (const one of [member, send])
      expect((await one('GET', `/audit/${eventId}`)).status).toBe(404);
    expect((await member('GET', '/audit?actor=0')).status).toBe(403);
    expect((await send('GET', '/audit?actor=0')).body.items).toEqual([]);
  });

  it('is chained like every other: an event of it can be proven', async () => {
    const send = await operator();
    const { body } = await send('GET', '/admin/audit?limit=1');
    const { eventId } = body.items[0];
    await eventually('the event is proven', async () => {
      const { status } = await send('GET', `/admin/audit/${eventId}/proof`);
      return status === 200;
    });
  });
});

describe('a flood', () => {
  it('of refused requests writes a bounded number of events, and counts all', async () => {
    const { hostname, port } = new URL(platform.url);
    const requests = 2_000;
    // Pipelined, so that the client is not the bottleneck.
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        if (text.split('HTTP/1.1 4').length > requests) socket.end();
      });
      socket.on('close', resolve).on('error', reject);
      socket.setTimeout(30_000, () => socket.destroy(new Error('no answer in 30 s')));
      socket.write(
        `GET /flood HTTP/1.1\r\nhost: platform\r\nx-forwarded-for: 203.0.113.98\r\n\r\n`.repeat(
          requests,
        ),
      );
    });
    const { public: found } = (design.rateLimit as ExactLimitsDesign).anonymous;
    await expectCounted([
      `0/0 route.find not-found denied x${found}`,
      `0/0 route.find rate-limited denied x${requests - found}`,
    ]);
    const [rows] = await platform.db.query<{ count: string }>({
      text: `SELECT count(*) FROM audit_logs WHERE id > $1 AND resource_type = 'denials'`,
      values: [sinceId],
    });
    expect(Number(rows!.count)).toBeLessThan(20);
  });
});
