/** Keys and agents over HTTP: who may make them, what they open and what not, and that their end is seen. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { findDesign } from '../../lineage.ts';
import { bearer, client } from '../fixtures/client.ts';
import { type Platform, prepareSchema, smallSize, startPlatform } from '../fixtures/platform.ts';

const schema = 'keys';
const design = findDesign('turn4.after');

const { postgres, redis } = sharedStores('api-keys');
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

const as = (token: string) => client(platform.url, bearer(token));
const person = async (id: string) => as((await platform.login(id)).token);
const notFound = [404, 'urn:platform:problem:key-not-found'];
const seen = ({ status, body }: Awaited<ReturnType<ReturnType<typeof as>>>) => [status, body.type];

it('a key and its agents authenticate their owner until they are revoked', async () => {
  const owner = await person('3');
  const made = await owner('POST', '/keys', { body: { name: 'ci' } });
  expect([made.status, made.body.agents]).toEqual([201, 0]);
  const { id, token } = made.body;
  const enrolled = await owner('POST', `/keys/${id}/agents`, { body: { name: 'runner' } });
  expect([enrolled.status, enrolled.body.slot]).toEqual([201, 1]);
  const agent = as(enrolled.body.token);

  const project = await as(token)('POST', '/projects', { body: { name: 'From 100% CI' } });
  expect(project.status).toBe(201);
  expect((await owner('GET', `/projects/${project.body.id}`)).body.name).toBe('From 100% CI');
  const found = await agent('GET', `/projects/search?q=${encodeURIComponent('100% c')}`);
  expect([found.status, found.body.total]).toEqual([200, 1]);
  expect((await agent('GET', '/projects/search?q=')).status).toBe(400);

  const listed = await owner('GET', '/keys');
  expect(listed.body.items).toMatchObject([{ id, name: 'ci', agents: 1 }]);
  const agents = await owner('GET', `/keys/${id}/agents`);
  expect(agents.body.items).toMatchObject([{ slot: 1, name: 'runner' }]);
  expect(JSON.stringify([listed.body, agents.body])).not.toMatch(/p[ka]_\d/);

  expect((await owner('DELETE', `/keys/${id}/agents/1`)).status).toBe(204);
  expect((await agent('GET', '/projects')).status).toBe(401);
  expect((await as(token)('GET', '/projects')).status).toBe(200);
  expect((await owner('DELETE', `/keys/${id}`)).status).toBe(204);
  expect((await owner('DELETE', `/keys/${id}`)).status).toBe(204);
  expect((await as(token)('GET', '/projects')).status).toBe(401);
  const events = await platform.db.query<{ action: string; resource: string }>({
    text: `SELECT action, resource_id AS resource FROM audit_logs
            WHERE user_id = 3 AND resource_type IN ('key', 'agent') AND request_id NOT LIKE 'seed:%'
              AND action NOT LIKE '%.list' ORDER BY id`,
  });
  expect(events.map(({ action, resource }) => `${action} ${resource}`)).toEqual([
    `key.create ${id}`,
    `agent.enrol ${id}/1`,
    `agent.revoke ${id}/1`,
    `key.revoke ${id}`,
    `key.revoke ${id}`,
  ]);
});

it('a key lives as long as its owner says, at most a year, and says until when', async () => {
  const owner = await person('7');
  const make = (lifetimeDays?: unknown) =>
    owner('POST', '/keys', { body: { name: 'ci', ...(lifetimeDays ? { lifetimeDays } : {}) } });
  for (const days of [367, -1, 1.5, 'long']) expect((await make(days)).status).toBe(400);
  const daysOf = (key: { createdAt: string; expiresAt: string }) =>
    (Date.parse(key.expiresAt) - Date.parse(key.createdAt)) / 86_400_000;
  expect(daysOf((await make()).body)).toBe(90);
  expect(daysOf((await make(366)).body)).toBe(366);
  const { items } = (await owner('GET', '/keys')).body;
  expect(items.map(daysOf)).toEqual([366, 90]);
});

it('a key is not authorised for account routes, so it cannot create more keys', async () => {
  const owner = await person('4');
  const { id, token } = (await owner('POST', '/keys', { body: { name: 'ci' } })).body;
  const enrolled = await owner('POST', `/keys/${id}/agents`, { body: { name: 'runner' } });
  for (const send of [as(token), as(enrolled.body.token)]) {
    const refused = await Promise.all([
      send('POST', `/keys/${id}/agents`, { body: { name: 'more' } }),
      send('DELETE', `/keys/${id}/agents/1`),
      send('POST', '/keys', { body: { name: 'more' } }),
      send('GET', '/keys'),
      send('DELETE', `/keys/${id}`),
      send('GET', '/sessions'),
      send('POST', '/sessions/revoke-all'),
      send('GET', '/me'),
    ]);
    for (const { status } of refused) expect([401, 403]).toContain(status);
    expect((await send('GET', '/projects')).status).toBe(200);
  }
  expect((await owner('GET', `/keys/${id}/agents`)).body.items).toHaveLength(1);
});

it("another owner's key is reported as one that does not exist, and a key finds no other owner's projects", async () => {
  const [owner, thief] = [await person('5'), await person('6')];
  const { id } = (await owner('POST', '/keys', { body: { name: 'ci' } })).body;
  for (const key of [id, '999999999']) {
    expect(seen(await thief('GET', `/keys/${key}/agents`))).toEqual(notFound);
    expect(seen(await thief('DELETE', `/keys/${key}`))).toEqual(notFound);
    const enrol = await thief('POST', `/keys/${key}/agents`, { body: { name: 'thief' } });
    expect(seen(enrol)).toEqual(notFound);
    expect((await thief('DELETE', `/keys/${key}/agents/1`)).status).toBe(404);
  }
  const { token } = (await thief('POST', '/keys', { body: { name: 'own' } })).body;
  const project = (await owner('POST', '/projects', { body: { name: 'Secret plan' } })).body;
  expect((await as(token)('GET', `/projects/${project.id}`)).status).toBe(404);
  expect((await as(token)('GET', '/projects/search?q=secret')).body).toEqual({
    items: [],
    total: 0,
  });
});

it('a name must be valid, a key id is a number, a slot is 1 to 999', async () => {
  const owner = await person('7');
  for (const body of [
    {},
    { name: '' },
    { name: 'a\u0000b' },
    { name: 'x'.repeat(101) },
    { name: 'x', tier: 'ci' },
  ])
    expect((await owner('POST', '/keys', { body })).status).toBe(400);
  expect((await owner('DELETE', '/keys/one')).status).toBe(400);
  expect((await owner('DELETE', '/keys/1/agents/0')).status).toBe(400);
});
