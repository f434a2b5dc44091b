/**
 * The contract of the platform, on both designs of turn 4. What a design is known to do wrong is listed with its
 * reason and asserted as well, so that a defect that disappears breaks the build like one that appears.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { openPersonal } from '../../audit/seal.ts';
import type { Design } from '../../design.ts';
import { findDesign } from '../../lineage.ts';
import { SEED_PASSWORD, seedEmail } from '../../sessions/seed.ts';
import { bearer, client, type Send } from '../fixtures/client.ts';
import { type Platform, prepareSchema, smallSize, startPlatform } from '../fixtures/platform.ts';

const hotQuery = 'SELECT * FROM audit_logs WHERE user_id = $1';

const knownDefects: Readonly<
  Record<string, { reason: string; hotQueryPerRequest: number; plan: RegExp }>
> = {
  'turn4.before': {
    reason: 'the incident: the whole history is read in every request, and no index knows the user',
    hotQueryPerRequest: 1,
    plan: /Seq Scan/,
  },
  'turn4.after': { reason: 'none', hotQueryPerRequest: 0, plan: /Index (Only )?Scan/ },
};

/** Everything here comes from one address, so the limits per address are out of the way. */
function suiteDesign(name: string): Design {
  const design = findDesign(name);
  if (design.rateLimit.kind !== 'exact') return design;
  const { windowMs } = design.rateLimit;
  const logins = {
    login: wide,
    loginPair: wide,
    loginAccount: wide,
    loginDevice: wide,
    loginKnown: wide,
  };
  return {
    ...design,
    rateLimit: {
      ...design.rateLimit,
      anonymous: { windowMs, ...logins, register: wide, unauthenticated: wide, public: wide },
    },
  };
}

const wide = 10_000;

const { postgres, redis: redisServer } = ownStores('gateway');

describe.each(['turn4.before', 'turn4.after'])('%s', (name) => {
  const schema = name.replace('.', '_');
  const design = suiteDesign(name);
  let platform: Platform;
  let anyone: Send;
  let nextUser = 3;

  beforeAll(async () => {
    await prepareSchema(postgres.url, { schema, design, size: smallSize });
    const databaseUrl = postgres.url;
    platform = await startPlatform({ databaseUrl, schema, redisUrl: redisServer.url, design });
    anyone = client(platform.url);
  });
  afterAll(() => platform?.stop());

  /** A seeded user that no test has used yet, so that limits do not carry over between tests. */
  const someone = async (id = nextUser++) => {
    const { token } = await platform.login(String(id));
    return { id: String(id), token, send: client(platform.url, bearer(token)) };
  };
  const auditOf = (requestIds: readonly string[]) =>
    platform.db.query<Record<string, string>>({
      text: 'SELECT * FROM audit_logs WHERE client_request_id = ANY($1) ORDER BY client_request_id',
      values: [requestIds],
    });

  describe('accounts and sessions', () => {
    const credentials = { email: `New.${schema}@Example.test`, password: 'a long enough password' };

    it('registers once, logs in, returns the account, and refuses the token right after logout', async () => {
      const registered = await anyone('POST', '/register', { body: credentials });
      expect(registered.status).toBe(202);
      const again = await anyone('POST', '/register', {
        body: { ...credentials, password: 'another password' },
      });
      expect([again.status, again.body]).toEqual([202, registered.body]);

      const login = await anyone('POST', '/login', { body: credentials });
      expect(login.status).toBe(200);
      const sessionCookie = login.headers
        .getSetCookie()
        .find((one) => one.startsWith('__Host-session='))!;
      expect(sessionCookie).toMatch(
        /^__Host-session=ps_us\.[\w-]{22}\.[\w-]{43}\.[0-9a-f]{8}; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
      );
      const send = client(platform.url, bearer(login.body.token));
      expect((await send('GET', '/me')).body).toMatchObject({
        id: login.body.userId,
        email: credentials.email.toLowerCase(),
      });
      const cookie = sessionCookie.split(';')[0]!;
      expect((await anyone('GET', '/me', { headers: { cookie } })).status).toBe(200);

      expect((await send('POST', '/logout')).status).toBe(204);
      const refused = await send('GET', '/me');
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      expect((await anyone('GET', '/me', { headers: { cookie } })).status).toBe(401);
    });

    it('logs in a seeded user, and responds to a wrong password as to an unknown address', async () => {
      const body = { email: seedEmail(5), password: SEED_PASSWORD };
      expect((await anyone('POST', '/login', { body })).status).toBe(200);
      const wrong = await anyone('POST', '/login', {
        body: { ...body, password: 'not the password' },
      });
      const unknown = await anyone('POST', '/login', {
        body: { ...body, email: 'no@example.test' },
      });
      const shown = ({ status, body: { requestId: _, ...rest } }: typeof wrong) => ({
        status,
        rest,
      });
      expect(shown(wrong)).toEqual(shown(unknown));
      expect(wrong.status).toBe(401);
    });

    it('keeps no token in Redis, and keys that expire', async () => {
      const { token } = await someone();
      const keys = await platform.redis.keys(`test:${schema}:*`);
      const secret = token.split('.')[2]!;
      for (const key of keys) {
        expect(key).not.toContain(secret);
        expect(await platform.redis.pttl(key)).toBeGreaterThan(0);
        if (key.includes(':s:')) expect(await platform.redis.get(key)).not.toContain(secret);
      }
      expect(keys.length).toBeGreaterThan(0);
    });
  });

  describe('projects', () => {
    it('are listed page by page, newest first, each once', async () => {
      const { send } = await someone();
      for (const project of ['a', 'b', 'c', 'd']) {
        const made = await send('POST', '/projects', { body: { name: project } });
        expect(made.status).toBe(201);
      }
      const names: string[] = [];
      let next: string | null = null;
      do {
        const page = await send('GET', `/projects?limit=3${next ? `&cursor=${next}` : ''}`);
        names.push(...page.body.items.map((item: { name: string }) => item.name));
        next = page.body.next;
      } while (next !== null);
      expect(new Set(names).size).toBe(7);
      expect([...names.slice(0, 4)].sort()).toEqual(['a', 'b', 'c', 'd']);
    });

    it('of another user are reported as ones that do not exist', async () => {
      const [owner, other] = [await someone(), await someone()];
      const made = await owner.send('POST', '/projects', { body: { name: 'mine' } });
      const read = await owner.send('GET', `/projects/${made.body.id}`);
      expect(read.body).toMatchObject({ id: made.body.id, name: 'mine' });
      const theirs = await other.send('GET', `/projects/${made.body.id}`);
      const nobodys = await other.send('GET', '/projects/00000000-0000-7000-8000-000000000000');
      expect([theirs.status, theirs.body.type]).toEqual([404, nobodys.body.type]);
    });
  });

  describe('the limit', () => {
    it('admits exactly 100 of 130 at once, and a refusal consumes nothing', async () => {
      const { id, send } = await someone();
      const replies = await Promise.all(Array.from({ length: 130 }, () => send('GET', '/me')));
      expect(replies.filter(({ status }) => status === 200)).toHaveLength(100);
      const refused = replies.filter(({ status }) => status === 429);
      expect(refused).toHaveLength(30);
      // 7 bytes for each unit that was admitted.
      const key = `test:${schema}:rl:{o:${id}}user:${id}`;
      expect(await platform.redis.strlen(key)).toBe(700);

      const { headers, body } = refused.at(-1)!;
      const wait = Number(headers.get('retry-after'));
      expect(Number.isInteger(wait) && wait >= 1).toBe(true);
      expect(headers.get('ratelimit')).toMatch(/(^|, )"user";r=0;t=\d+/);
      expect(headers.get('ratelimit-policy')).toMatch(/(^|, )"user";q=100;w=60/);
      expect(body).toMatchObject({ status: 429, 'violated-policies': ['user'] });
    });

    it('does not affect another user', async () => {
      const { send } = await someone();
      expect((await send('GET', '/me')).headers.get('ratelimit')).toMatch(/"user";r=99;t=\d+/);
    });
  });

  describe('audit', () => {
    it('records every kind of response to a known user once: who, what, when, where, outcome', async () => {
      const { id, send } = await someone();
      const sent = async (requestId: string, ...call: Parameters<Send>) => {
        const headers = { 'x-request-id': requestId, 'user-agent': 'contract-suite' };
        const reply = await send(call[0], call[1], { ...call[2], headers });
        expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
        return reply.status;
      };
      const missing = '00000000-0000-7000-8000-000000000000';
      const login = { email: seedEmail(Number(id)), password: 'not the password' };
      const statuses = [
        await sent(`${schema}-1`, 'GET', '/me'),
        await sent(`${schema}-2`, 'GET', `/projects/${missing}`),
        await sent(`${schema}-3`, 'POST', '/projects', { raw: '{"name":' }),
        await sent(`${schema}-4`, 'GET', '/activity?cursor=garbage'),
        await sent(`${schema}-5`, 'POST', '/login', { body: login }),
        await sent(`${schema}-6`, 'POST', '/login', {
          body: { ...login, password: SEED_PASSWORD },
        }),
        await sent(`${schema}-7`, 'POST', '/logout'),
        await sent(`${schema}-8`, 'GET', '/me'),
      ];
      expect(statuses).toEqual([200, 404, 400, 400, 401, 200, 204, 401]);
      const rows = await auditOf(Array.from({ length: 8 }, (_, i) => `${schema}-${i + 1}`));
      expect(rows.map((row) => [row.client_request_id!.at(-1), row.action, row.outcome])).toEqual([
        ['1', 'user.read', 'success'],
        ['2', 'project.read', 'denied'],
        ['3', 'project.create', 'failure'],
        ['4', 'activity.read', 'failure'],
        ['5', 'session.login', 'denied'],
        ['6', 'session.login', 'success'],
        ['7', 'session.logout', 'success'],
      ]);
      expect(rows[1]).toMatchObject({ resource_type: 'project', resource_id: missing });
      expect(rows.map(({ reason }) => reason)).toEqual([
        null,
        'project-not-found',
        'malformed-json',
        'invalid-cursor',
        'invalid-credentials',
        null,
        null,
      ]);
      // A refused login has no session; a login and a logout have the session they began or ended.
      expect(rows.map((row) => row.session_hash !== null)).toEqual(rows.map((_, at) => at !== 4));
      const key = (await platform.services.audit!.subjects.readKey(id))!;
      const organisation = { organisation_id: id, user_id: id, key_id: null };
      for (const row of rows) {
        expect(row).toMatchObject({ ...organisation, region: 'us', service: 'gateway' });
        expect(openPersonal(key, id, row.sealed as unknown as Buffer)).toEqual({
          ip: '127.0.0.1',
          userAgent: 'contract-suite',
        });
        expect(Math.abs(Date.parse(row.occurred_at!) - Date.now())).toBeLessThan(60_000);
      }
    });

    it('records 200 requests at once exactly once each, refused ones too', async () => {
      const { send } = await someone();
      const ids = Array.from({ length: 200 }, (_, i) => `${schema}-burst-${i}`);
      const replies = await Promise.all(
        ids.map((id) => send('GET', '/projects', { headers: { 'x-request-id': id } })),
      );
      const rows = await auditOf(ids);
      expect(rows.map((row) => row.client_request_id)).toEqual([...ids].sort());
      const denied = rows.filter((row) => row.outcome === 'denied');
      expect(denied).toHaveLength(replies.filter(({ status }) => status === 429).length);
    });
  });

  describe('recent activity', () => {
    it('is complete over all pages, newest first, and only mine', async () => {
      const { send } = await someone(1);
      const live = await platform.db.query<{ id: string }>({
        text: 'SELECT id FROM audit_logs WHERE user_id = 1 ORDER BY occurred_at DESC, id DESC',
      });
      const seen: { id: string; userId: string; occurredAt: string }[] = [];
      let next: string | null = null;
      do {
        const page = await send('GET', `/activity?limit=50${next ? `&cursor=${next}` : ''}`);
        expect(page.status).toBe(200);
        seen.push(...page.body.items);
        next = page.body.next;
      } while (next !== null);
      expect(seen.map(({ id }) => id)).toEqual(live.map(({ id }) => id));
      expect(seen.every(({ userId }) => userId === '1')).toBe(true);
      expect(seen[0]!.occurredAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      expect(live.length).toBeGreaterThan(100);
    });

    it("shows only the reader's own with the cursor of another user", async () => {
      const [mine, theirs] = [await someone(), await someone(2)];
      const page = await theirs.send('GET', '/activity?limit=5');
      const read = await mine.send('GET', `/activity?cursor=${page.body.next}`);
      const owners = new Set(read.body.items.map((item: { userId: string }) => item.userId));
      expect([...owners].filter((owner) => owner !== mine.id)).toEqual([]);
    });
  });

  it(`reads the history per request as known (${knownDefects[name]!.reason})`, async () => {
    const { id, send } = await someone();
    await platform.db.query({
      text: 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public',
    });
    const calls = async () => {
      const rows = await platform.db.query<{ calls: string }>({
        text: `SELECT coalesce(sum(calls), 0) AS calls FROM public.pg_stat_statements WHERE query = $1`,
        values: [hotQuery],
      });
      return Number(rows[0]!.calls);
    };
    const before = await calls();
    const paths = ['/me', '/projects', '/activity', '/projects?limit=1'];
    const replies = [];
    for (const one of paths) replies.push(await send('GET', one));
    const { hotQueryPerRequest, plan } = knownDefects[name]!;
    expect((await calls()) - before).toBe(hotQueryPerRequest * paths.length);
    const shown = replies[1]!.body.recentActivity;
    if (hotQueryPerRequest > 0) {
      expect(shown).toHaveLength(10);
      expect(shown[0]).toMatchObject({ userId: id, action: 'user.read' });
    } else expect(shown).toBeUndefined();

    const rows = await platform.db.query<{ 'QUERY PLAN': string }>({
      text: `EXPLAIN SELECT id FROM audit_logs WHERE user_id = 9 ORDER BY occurred_at DESC, id DESC LIMIT 10`,
    });
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(plan);
  });

  it.runIf(name === 'turn4.after')(
    'loads a page once for 100 concurrent misses, then caches it',
    async () => {
      const { send } = await someone();
      const calls = async () => {
        const rows = await platform.db.query<{ calls: string }>({
          text: `SELECT coalesce(sum(calls), 0) AS calls FROM public.pg_stat_statements
                WHERE query LIKE '%FROM audit_logs WHERE user_id = $1 ORDER BY%LIMIT $2'`,
        });
        return Number(rows[0]!.calls);
      };
      const before = await calls();
      const replies = await Promise.all(Array.from({ length: 99 }, () => send('GET', '/activity')));
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
      expect((await calls()) - before).toBe(1);
    },
  );
});
