/** Limits changed over HTTP while two gateways run: in effect in both without a restart, on record, for operators. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { findDesign } from '../../lineage.ts';
import { bearer, client, type Send } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  startPlatform,
  usersWithoutHistory,
} from '../fixtures/platform.ts';

const design = findDesign('turn4.after');
const size = usersWithoutHistory(20);
const schema = 'limit_settings';
const url = '/admin/rate-limits';

const { postgres, redis } = sharedStores('limit-settings');
let gateway1: Platform;
let gateway2: Platform;
let operator: Send;

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design, size });
  const given = { databaseUrl: postgres.url, schema, redisUrl: redis.url, design };
  gateway1 = await startPlatform({ ...given, name: 'gateway.1' });
  gateway2 = await startPlatform({ ...given, name: 'gateway.2' });
  await gateway1.db.query({ text: `UPDATE users SET role = 'operator' WHERE id = 1` });
  operator = client(gateway1.url, bearer((await gateway1.login('1')).token));
});
afterAll(async () => {
  await gateway1?.stop();
  await gateway2?.stop();
});

/** The user's limit in RateLimit-Policy: `"user";q=100;w=60`. */
const quotaOf = async (send: Send) => {
  const { headers } = await send('GET', '/session');
  return Number(/"user";q=(\d+)/.exec(headers.get('ratelimit-policy') ?? '')?.[1]);
};

async function eventually(condition: () => Promise<boolean>, limitMs = 10_000) {
  const until = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`not within ${limitMs} ms`);
    await delay(100);
  }
}

it('a change holds at once in its own process, soon in the other, and can be removed', async () => {
  const { token } = await gateway1.login('5');
  const [near, far] = [gateway1, gateway2].map((one) => client(one.url, bearer(token))) as [
    Send,
    Send,
  ];
  const usual = await quotaOf(near);
  const body = { limit: 57, mode: 'enforce' };
  const done = await operator('PUT', `${url}/organisation/5/user`, { body });
  expect([done.status, done.body]).toEqual([
    200,
    { scope: 'organisation', name: '5', policy: 'user', setBy: 'operator', ...body },
  ]);
  expect(await quotaOf(near)).toBe(57);
  await eventually(async () => (await quotaOf(far)) === 57);
  const tier = await operator('PUT', `${url}/organisation/6/tier`, { body: { tier: 'ci' } });
  expect(tier.status).toBe(200);
  const { body: listed } = await operator('GET', url);
  expect(listed).toMatchObject({
    items: [
      { scope: 'organisation', name: '5', policy: 'user', ...body, tier: null },
      { scope: 'organisation', name: '6', policy: 'tier', tier: 'ci', limit: null, mode: null },
    ],
    next: null,
  });
  expect((await operator('DELETE', `${url}/organisation/5/user`)).status).toBe(204);
  expect(await quotaOf(near)).toBe(usual);
  await eventually(async () => (await quotaOf(far)) === usual);
});

it('a change is audited with the setting that was changed', async () => {
  const headers = { 'x-request-id': 'limit-change' };
  const body = { limit: 200, mode: 'shadow' };
  await operator('PUT', `${url}/tier/enterprise/address`, { body, headers });
  const rows = await gateway1.db.query({
    text: `SELECT user_id AS user, action, resource_id AS resource, outcome FROM audit_logs WHERE client_request_id = 'limit-change'`,
  });
  const resource = 'tier/enterprise/address';
  expect(rows).toEqual([{ user: '1', action: 'rate-limit.set', resource, outcome: 'success' }]);
});

it('a change is refused without a role, and when it is not a valid limit', async () => {
  const body = { limit: 1_000, mode: 'enforce' };
  const member = client(gateway1.url, bearer((await gateway1.login('7')).token));
  for (const [method, path] of [
    ['GET', url],
    ['PUT', `${url}/organisation/7/user`],
    ['DELETE', `${url}/organisation/7/user`],
  ] as const) {
    const given = method === 'PUT' ? { body } : {};
    expect((await member(method, path, given)).status).toBe(403);
    expect((await client(gateway1.url)(method, path, given)).status).toBe(401);
  }
  const tier = await member('PUT', `${url}/organisation/7/tier`, { body: { tier: 'ci' } });
  expect(tier.status).toBe(403);
  for (const [path, wrong] of [
    ['organisation/7/user', { ...body, limit: 0 }],
    ['organisation/7/user', { ...body, limit: 10_001 }],
    ['organisation/7/user', { ...body, limit: 1.5 }],
    ['organisation/7/user', { ...body, mode: 'loud' }],
    ['organisation/7/user', { limit: 5 }],
    ['organisation/7/user', { ...body, more: 1 }],
    ['organisation/ci/user', body],
    ['tier/7/user', body],
    ['tier/gold/user', body],
    ['planet/7/user', body],
    ['organisation/7/everything', body],
    ['organisation/-7/user', body],
    ['organisation/7/tier', { tier: 'gold' }],
    ['organisation/seven/tier', { tier: 'ci' }],
  ] as const)
    expect([path, (await operator('PUT', `${url}/${path}`, { body: wrong })).status]).toEqual([
      path,
      400,
    ]);
});
