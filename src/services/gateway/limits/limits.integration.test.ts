/** Limits over HTTP: which requests share a counter, header fields, what a refusal costs. Real stores, two designs. */
import { connect } from 'node:net';
import { parseList } from 'structured-headers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import type { Design, ExactLimitsDesign } from '../../design.ts';
import { findDesign } from '../../lineage.ts';
import { SEED_PASSWORD, seedEmail } from '../../sessions/seed.ts';
import { openConnection } from '../clients.ts';
import { bearer, client, type Reply, type Send } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  schemaUrl,
  smallSize,
  startPlatform,
  withCheapPasswords,
} from '../fixtures/platform.ts';

const quota = 'https://iana.org/assignments/http-problem-types#quota-exceeded';
const evidence =
  /^at=\d{16};took=\d+;admitted=([01]);mode=(store|share|closed);by=([a-z-]+(?:,[a-z-]+)*)?$/;

const { postgres, redis } = sharedStores('limits');

/** A design of turn 5, with limits small enough to reach. */
function small(name: string): Design {
  const design = withCheapPasswords(findDesign(name));
  const exact = design.rateLimit as ExactLimitsDesign;
  const { standard } = exact.tiers;
  const tiers = { ...exact.tiers, standard: { ...standard, user: 20, key: 20 } };
  return { ...design, rateLimit: { ...exact, tiers } };
}

beforeAll(async () => {
  for (const schema of ['users', 'keys'])
    await prepareSchema(postgres.url, {
      schema,
      design: findDesign('turn5.after'),
      size: smallSize,
    });
});

const start = (schema: string, design: Design) =>
  startPlatform({ databaseUrl: postgres.url, schema, redisUrl: redis.url, design, evidence: true });

let addresses = 0;
/** A client address that no test has used yet. */
const newAddress = () => {
  addresses += 1;
  return `203.0.${addresses >> 8}.${addresses & 255}`;
};
const from = (address: string) => ({ 'x-forwarded-for': address });
const times = <Result>(count: number, work: (i: number) => Promise<Result>) =>
  Promise.all(Array.from({ length: count }, (_, i) => work(i)));
const admittedOf = (replies: readonly Reply[]) =>
  replies.filter(({ status }) => status < 300).length;

/** A parameter of one policy in RateLimit or RateLimit-Policy. */
function rateLimitParameter(reply: Reply, field: string, policy: string, parameter: string) {
  const found = parseList(reply.headers.get(field)!).find(([name]) => name === policy);
  return found?.[1].get(parameter);
}

describe('requests with a session', () => {
  let platform: Platform;
  let nextUser = 3;
  beforeAll(async () => {
    platform = await start('users', small('turn5.before'));
  });
  afterAll(() => platform?.stop());

  const loginNextUser = async (address = newAddress()) => {
    const id = String(nextUser++);
    const login = async () =>
      client(platform.url, { ...bearer((await platform.login(id)).token), ...from(address) });
    return { id, login, send: await login() };
  };

  it('get the remaining quota of every level, in the syntax of the draft', async () => {
    const { send } = await loginNextUser();
    const reply = await send('GET', '/session');
    expect(reply.status).toBe(200);
    for (const field of ['ratelimit-policy', 'ratelimit'])
      expect(parseList(reply.headers.get(field)!).map(([name]) => name)).toEqual([
        'organisation',
        'user',
        'address',
      ]);
    expect(rateLimitParameter(reply, 'ratelimit-policy', 'user', 'q')).toBe(20);
    expect(rateLimitParameter(reply, 'ratelimit-policy', 'user', 'w')).toBe(60);
    expect(rateLimitParameter(reply, 'ratelimit', 'user', 'r')).toBe(19);
    expect(reply.headers.get('retry-after')).toBe(null);
    expect(evidence.exec(reply.headers.get('x-limit-decision')!)!.slice(1)).toEqual([
      '1',
      'store',
      undefined,
    ]);
  });

  it('consume nothing once the session has ended, also while a process has it in its local cache', async () => {
    const { login, send } = await loginNextUser();
    const beside = await login();
    // The first request fills Redis, the second the local cache; the third is verified by the limiter's script.
    for (const left of [19, 18, 17])
      expect(rateLimitParameter(await send('GET', '/session'), 'ratelimit', 'user', 'r')).toBe(
        left,
      );
    expect((await send('POST', '/logout')).status).toBe(204);
    const replies = await times(15, () => send('GET', '/session'));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([401]));
    expect(rateLimitParameter(await beside('GET', '/session'), 'ratelimit', 'user', 'r')).toBe(16);
  });

  it('are refused with the policy and the time to wait, and the refusal consumes nothing', async () => {
    const { id, send } = await loginNextUser();
    const replies = await times(30, () => send('GET', '/session'));
    expect(admittedOf(replies)).toBe(20);
    const refused = replies.find(({ status }) => status === 429)!;
    const wait = Number(refused.headers.get('retry-after'));
    expect(Number.isInteger(wait) && wait >= 1 && wait <= 70).toBe(true);
    expect(rateLimitParameter(refused, 'ratelimit', 'user', 'r')).toBe(0);
    expect(rateLimitParameter(refused, 'ratelimit', 'organisation', 'r')).toBe(980);
    expect(wait).toBeGreaterThanOrEqual(
      Number(rateLimitParameter(refused, 'ratelimit', 'user', 't')),
    );
    expect(refused.body).toMatchObject({ type: quota, status: 429, 'violated-policies': ['user'] });
    expect(refused.headers.get('content-type')).toContain('application/problem+json');
    expect(evidence.exec(refused.headers.get('x-limit-decision')!)!.slice(1)).toEqual([
      '0',
      'store',
      'user',
    ]);
    const rows = await platform.db.query<{ outcome: string }>({
      text: 'SELECT outcome FROM audit_logs WHERE user_id = $1 AND request_id = $2',
      values: [id, refused.body.requestId],
    });
    expect(rows).toEqual([{ outcome: 'denied' }]);
  });

  it('share one limit over all sessions of the user', async () => {
    const { login } = await loginNextUser();
    const sessions = await times(4, login);
    const replies = await times(32, (i) => sessions[i % 4]!('GET', '/session'));
    expect(admittedOf(replies)).toBe(20);
  });

  it('share one limit with the keys of the user', async () => {
    const { send } = await loginNextUser();
    const key = await createKey(platform, send);
    const replies = await times(30, (i) => (i % 2 ? key.send : send)('GET', '/projects?limit=1'));
    // The creation of the key took one unit.
    expect(admittedOf(replies)).toBe(19);
    expect(rateLimitParameter(replies[1]!, 'ratelimit-policy', 'user', 'q')).toBe(20);
  });

  it('restart the idle timeout when they are admitted, and write nothing when they are refused', async () => {
    const [idle, busy] = [await loginNextUser(), await loginNextUser()];
    await times(20, () => busy.send('GET', '/session'));
    // Sessions last seen ten minutes ago, so that the next use is written.
    const unused = async (id: string) => {
      const { token, session } = await platform.login(id);
      await platform.db.query({
        text: `UPDATE sessions SET last_seen_at = last_seen_at - interval '10 min' WHERE id = $1`,
        values: [session.id],
      });
      const copies = await platform.redis.keys(`test:users:*${session.id}*`);
      if (copies.length > 0) await platform.redis.del(...copies);
      return { send: client(platform.url, bearer(token)), id: session.id };
    };
    const row = async (id: string) => {
      const rows = await platform.db.query<{ last_seen_at: string }>({
        text: 'SELECT * FROM sessions WHERE id = $1',
        values: [id],
      });
      return rows[0]!;
    };
    const [used, refused] = [await unused(idle.id), await unused(busy.id)];
    const before = [await row(used.id), await row(refused.id)];
    expect(admittedOf(await times(20, () => refused.send('GET', '/session')))).toBe(0);
    expect((await used.send('GET', '/session')).status).toBe(200);
    const seen = async () => (await row(used.id)).last_seen_at;
    await expect.poll(seen, { timeout: 15_000 }).not.toBe(before[0]!.last_seen_at);
    expect(await row(refused.id)).toEqual(before[1]);
  });

  it('take the units of their route class, and release their slot when the client disconnects', async () => {
    const { id, send } = await loginNextUser();
    const reply = await send('GET', '/projects/search?q=a');
    expect(reply.status).toBe(200);
    expect(rateLimitParameter(reply, 'ratelimit', 'user', 'r')).toBe(15);
    const held = async () => {
      const keys = await platform.redis.keys(`test:users:rl:{o:${id}}search-concurrent:*`);
      return keys.length === 0 ? 0 : await platform.redis.zcard(keys[0]!);
    };
    await expect.poll(held).toBe(0);

    // A search that hangs, because another transaction has locked its table.
    const locked = await openConnection(schemaUrl(postgres.url, 'users'));
    await locked.query({ text: 'BEGIN; LOCK TABLE projects' });
    const token = (await platform.login(id)).token;
    const socket = connect(Number(new URL(platform.url).port), '127.0.0.1');
    socket.write(
      `GET /projects/search?q=a HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\n\r\n`,
    );
    await expect.poll(held).toBe(1);
    socket.destroy();
    await expect.poll(held).toBe(0);
    await locked.close();
  });
});

describe('requests with a key of its own limits', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await start('keys', small('turn5.after'));
  });
  afterAll(() => platform?.stop());

  const owner = async (id: string) =>
    client(platform.url, { ...bearer((await platform.login(id)).token), ...from(newAddress()) });

  it("are counted for the key, not for its owner's sessions", async () => {
    const send = await owner('3');
    const key = await createKey(platform, send);
    const replies = await times(30, () => key.send('GET', '/projects?limit=1'));
    // Without enrolled agents, the bare key has slot 0.
    expect(admittedOf(replies)).toBeGreaterThan(0);
    expect(rateLimitParameter(replies[0]!, 'ratelimit-policy', 'key', 'q')).toBe(20);
    expect(rateLimitParameter(await send('GET', '/session'), 'ratelimit', 'user', 'r')).toBe(18);
  });

  it('of enrolled agents are admitted by their slot', async () => {
    const send = await owner('4');
    const key = await createKey(platform, send);
    const agents = await times(2, async (i) => {
      const made = await send('POST', `/keys/${key.id}/agents`, { body: { name: `agent ${i}` } });
      expect(made.status).toBe(201);
      return client(platform.url, { ...bearer(made.body.token), ...from(newAddress()) });
    });
    const replies = await times(2, (i) => agents[i]!('GET', '/projects?limit=1'));
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
  });

  it('are authorised for the product, not for account routes', async () => {
    const key = await createKey(platform, await owner('5'));
    expect((await key.send('GET', '/activity')).status).toBe(200);
    for (const path of ['/me', '/session', '/sessions', '/keys']) {
      const { status, body } = await key.send('GET', path);
      expect([path, status, body.type]).toEqual([path, 403, 'urn:platform:problem:session-needed']);
    }
  });

  it('are audited as their owner, and refused when the key is revoked', async () => {
    const send = await owner('6');
    const key = await createKey(platform, send);
    const reply = await key.send('GET', '/projects', { headers: { 'x-request-id': 'by-key' } });
    expect(reply.status).toBe(200);
    const rows = await platform.db.query({
      text: `SELECT user_id, action FROM audit_logs WHERE client_request_id = 'by-key'`,
    });
    expect(rows).toEqual([{ user_id: '6', action: 'project.list' }]);
    expect((await send('DELETE', `/keys/${key.id}`)).status).toBe(204);
    expect((await key.send('GET', '/projects')).status).toBe(401);
  });
});

describe("the sample's buckets", () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await start('keys', withCheapPasswords(findDesign('turn5.sample')));
  });
  afterAll(() => platform?.stop());

  it('limit a user, and no CI key', async () => {
    const send = client(platform.url, bearer((await platform.login('10')).token));
    const key = await createKey(platform, send);
    const bucketed = await times(40, () => send('GET', '/session'));
    // Ten at once; the one-second bucket refills while this runs.
    expect(admittedOf(bucketed)).toBeLessThan(40);
    const refused = bucketed.find(({ status }) => status === 429)!;
    expect(refused.body).toMatchObject({ type: quota, 'violated-policies': ['user-2'] });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);

    const text = `UPDATE api_keys SET tier = 'ci' WHERE id = $1`;
    await platform.db.query({ text, values: [key.id] });
    const free = await times(150, () => key.send('GET', '/projects?limit=1'));
    expect(admittedOf(free)).toBe(150);
    expect(free[0]!.headers.get('ratelimit')).toBe(null);
    // Requests without a principal are not limited: the sample says nothing about logins and floods.
    const anonymous = await times(40, () => client(platform.url)('GET', '/me'));
    expect(new Set(anonymous.map(({ status }) => status))).toEqual(new Set([401]));
  });
});

describe('requests without a principal', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await start('users', small('turn5.before'));
  });
  afterAll(() => platform?.stop());

  const login = (address: string, id: number, password = SEED_PASSWORD) =>
    client(platform.url, from(address))('POST', '/login', {
      body: { email: seedEmail(id), password },
    });

  it('are limited by address when their token is not valid', async () => {
    const address = newAddress();
    const send = client(platform.url, from(address));
    const replies = await times(40, (i) =>
      send('GET', '/me', i % 2 ? { headers: bearer(`pk_${i}_x`) } : {}),
    );
    const statuses = replies.map(({ status }) => status);
    expect(statuses.filter((status) => status === 403)).toHaveLength(
      replies.filter(({ body }) => body.type === 'urn:platform:problem:session-needed').length,
    );
    expect(statuses.filter((status) => status === 429)).toHaveLength(10);
    expect((await client(platform.url, from(newAddress()))('GET', '/me')).status).toBe(401);
    // Logout verifies the token itself; its failures count as well.
    expect((await send('POST', '/logout', { headers: bearer('x') })).status).toBe(429);
    // A session from the same address is not affected.
    const { token } = await platform.login('30');
    expect((await send('GET', '/session', { headers: bearer(token) })).status).toBe(200);
  });

  it('cannot choose their address by X-Forwarded-For', async () => {
    const address = newAddress();
    const replies = await times(40, (i) =>
      client(platform.url, from(`198.51.100.${i}, ${address}`))('GET', '/me'),
    );
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(10);
  });

  it('count as one client for an IPv6 network of a customer', async () => {
    const replies = await times(40, (i) =>
      client(platform.url, from(`2001:db8:1:2::${i.toString(16)}`))('GET', '/me'),
    );
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(10);
  });

  it('may log in without limit with the right password; five guesses are admitted', async () => {
    const address = newAddress();
    for (let i = 0; i < 7; i += 1) expect((await login(address, 31)).status).toBe(200);
    const guesses: Reply[] = [];
    for (let i = 0; i < 7; i += 1) guesses.push(await login(address, 31, 'not the password'));
    expect(guesses.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect(guesses.at(-1)!.body).toMatchObject({
      type: quota,
      'violated-policies': ['login-pair'],
    });
    // Refusals for the account are refunded to the address: 5 of 10 are used, another account gets the other 5.
    const other: number[] = [];
    for (let i = 0; i < 6; i += 1)
      other.push((await login(address, 32 + i, 'not the password')).status);
    expect(other).toEqual([401, 401, 401, 401, 401, 429]);
    // From another address the owner still logs in.
    expect((await login(newAddress(), 31)).status).toBe(200);
  }, 60_000);
});

async function createKey(platform: Platform, send: Send, address = newAddress()) {
  const made = await send('POST', '/keys', { body: { name: 'ci' } });
  expect(made.status).toBe(201);
  const { id, token } = made.body as { id: string; token: string };
  return { id, token, send: client(platform.url, { ...bearer(token), ...from(address) }) };
}
