/** What strangers can make us do: reads for tokens that open nothing, and requests that no route answers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { makeSecret } from '../../api-keys/token.ts';
import { findDesign } from '../../lineage.ts';
import { SEED_PASSWORD, seedEmail } from '../../sessions/seed.ts';
import { makeToken } from '../../sessions/token.ts';
import { openConnection } from '../clients.ts';
import { bearer, client, type Reply } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  smallSize,
  startPlatform,
  withCheapPasswords,
} from '../fixtures/platform.ts';
import { systemRandom } from '../system.ts';

const { postgres, redis } = ownStores('before-work');
const schema = 'before_work';
const design = withCheapPasswords(findDesign('turn5.after'));
let platform: Platform;

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design, size: smallSize });
  const db = await openConnection(postgres.url);
  await db.query({ text: 'CREATE EXTENSION pg_stat_statements SCHEMA public' });
  await db.close();
  platform = await startPlatform({
    databaseUrl: postgres.url,
    schema,
    redisUrl: redis.url,
    design,
    evidence: true,
  });
});
afterAll(() => platform?.stop());

let addresses = 0;
const newAddress = () => {
  addresses += 1;
  return `198.19.0.${addresses}`;
};
const sessionToken = () => makeToken(design.sessions.region, systemRandom).token;
let keyIds = 1_000_000;
const keyToken = () => {
  keyIds += 1;
  return makeSecret(systemRandom).token(String(keyIds), 0);
};
const countOf = (replies: readonly Reply[], wanted: number) =>
  replies.filter(({ status }) => status === wanted).length;

/** Statements that looked for sessions or keys, as PostgreSQL counts them at once. */
async function reads(): Promise<number> {
  const [row] = await platform.db.query<{ calls: string }>({
    text: `SELECT coalesce(sum(calls), 0) AS calls FROM public.pg_stat_statements
            WHERE query ~ '^SELECT' AND query ~ 'FROM (sessions|api_keys) '`,
  });
  return Number(row!.calls);
}

/** Checks of sessions that Redis did not answer in time, which read PostgreSQL. */
async function fallbacks(): Promise<number> {
  const { body } = await client(platform.operationsUrl)('GET', '/metrics');
  return Number(/^session_fallbacks_total(?:\{[^}]*\})? (\d+)/m.exec(String(body))![1]);
}

describe('a token that opens nothing', () => {
  it.each([
    ['session', sessionToken, 'GET', '/session'],
    ['key', keyToken, 'GET', '/projects'],
    ['session that logs out', sessionToken, 'POST', '/logout'],
  ] as const)(
    'of a %s costs its address a failure, and without one left no read',
    async (_what, newToken, method, path) => {
      const send = client(platform.url, { 'x-forwarded-for': newAddress() });
      const before = await reads();
      const replies: Reply[] = [];
      for (let i = 0; i < 60; i += 1)
        replies.push(await send(method, path, { headers: bearer(newToken()) }));
      expect([countOf(replies, 401), countOf(replies, 429)]).toEqual([30, 30]);
      expect(replies.slice(0, 30).every(({ status }) => status === 401)).toBe(true);
      expect(replies.at(-1)!.body['violated-policies']).toEqual(['unauthenticated']);
      expect(Number(replies.at(-1)!.headers.get('retry-after'))).toBeGreaterThan(0);
      const caused = (await reads()) - before;
      expect(caused).toBe(30);
    },
    60_000,
  );

  it('costs no read at all when it is malformed', async () => {
    const send = client(platform.url, { 'x-forwarded-for': newAddress() });
    const before = await reads();
    const malformed = ['x', 'pk_1_x', `${sessionToken()}0`, 'ps_us.a.b.c', keyToken().slice(0, -1)];
    for (const token of malformed)
      for (const path of ['/session', '/projects'])
        expect([401, 403]).toContain((await send('GET', path, { headers: bearer(token) })).status);
    expect((await reads()) - before).toBe(0);
  }, 60_000);

  it('is bounded also when all are sent at once', async () => {
    const send = client(platform.url, { 'x-forwarded-for': newAddress() });
    const [before, fallbacksBefore] = [await reads(), await fallbacks()];
    const replies = await Promise.all(
      Array.from({ length: 300 }, () =>
        send('GET', '/session', { headers: bearer(sessionToken()) }),
      ),
    );
    expect([countOf(replies, 401), countOf(replies, 429)]).toEqual([30, 270]);
    // Each was looked for in the statement of a batch, and so was what Redis did not answer in time.
    const caused = (await reads()) - before;
    expect(caused).toBeLessThanOrEqual(30 + (await fallbacks()) - fallbacksBefore);
  }, 60_000);

  it('leaves sessions of its address alone, new ones too, and their logout', async () => {
    const address = newAddress();
    const send = client(platform.url, { 'x-forwarded-for': address });
    for (let i = 0; i < 31; i += 1)
      await send('GET', '/session', { headers: bearer(sessionToken()) });
    const body = { email: seedEmail(12), password: SEED_PASSWORD };
    const login = await send('POST', '/login', { body });
    expect(login.status).toBe(200);
    const { token } = login.body;
    expect((await send('GET', '/session', { headers: bearer(token) })).status).toBe(200);
    expect((await send('POST', '/logout', { headers: bearer(token) })).status).toBe(204);
    expect((await send('GET', '/session', { headers: bearer(sessionToken()) })).status).toBe(429);
  });
});

it('floods of malformed tokens take nobody a read: a session that Redis does not know is found', async () => {
  const send = client(platform.url, { 'x-forwarded-for': newAddress() });
  for (let i = 0; i < 40; i += 1) await send('GET', '/session', { headers: bearer('x') });
  const { token } = await platform.login('13');
  expect((await send('GET', '/session', { headers: bearer(token) })).status).toBe(200);
});

describe('a request that no route answers', () => {
  it('is limited by address: paths, methods and the description of the API together', async () => {
    const send = client(platform.url, { 'x-forwarded-for': newAddress() });
    const replies = await Promise.all(
      Array.from({ length: 90 }, (_, i) =>
        i % 3 === 0
          ? send('GET', `/nothing-${i}`)
          : i % 3 === 1
            ? send('DELETE', '/login')
            : send('GET', '/openapi.json'),
      ),
    );
    expect(countOf(replies, 429)).toBe(30);
    expect(countOf(replies, 404) + countOf(replies, 405) + countOf(replies, 200)).toBe(60);
    const other = client(platform.url, { 'x-forwarded-for': newAddress() });
    expect((await other('GET', '/nothing')).status).toBe(404);
    expect((await other('DELETE', '/login')).status).toBe(405);
  });
});
