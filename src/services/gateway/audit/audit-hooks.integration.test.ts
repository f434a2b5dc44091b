/**
 * On record once, whatever becomes of a request: each kind of answer, a change with its event in one transaction also
 * when the commit is cut, reads while PostgreSQL is away, and what erasing leaves.
 */
import { cp, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { openPersonal } from '../../audit/seal.ts';
import { LOCAL_LOG_FILE_NAME } from '../../audit/writers/local-log.ts';
import type { Design } from '../../design.ts';
import { findDesign } from '../../lineage.ts';
import { SEED_PASSWORD } from '../../sessions/seed.ts';
import { openConnection } from '../clients.ts';
import { bearer, client, type Send } from '../fixtures/client.ts';
import { type CommitCutter, openCommitCutter } from '../fixtures/commit-cutter.ts';
import {
  loginUrls,
  type Platform,
  prepareSchema,
  schemaUrl,
  startPlatform,
  withCheapPasswords,
} from '../fixtures/platform.ts';

const { postgres, redis } = ownStores('audit-trail');
// Our own schema, so that the service logs in as the role that may add to the log and not change it.
const schema = 'platform';
const design = wide(withCheapPasswords(findDesign('turn3.after')));
const size = {
  rows: 0,
  users: 40,
  heavyUsers: 0,
  heavyRows: 0,
  seed: 7,
  anchorUs: Date.parse('2026-11-20T00:00:00Z') * 1_000,
};

/** Everything here comes from one address. */
function wide(given: Design): Design {
  const { rateLimit } = given;
  if (rateLimit.kind !== 'exact') return given;
  const { anonymous } = rateLimit;
  const many = { login: 10_000, loginPair: 10_000, loginAccount: 10_000, register: 10_000 };
  const { standard, ...tiers } = rateLimit.tiers;
  return {
    ...given,
    rateLimit: {
      ...rateLimit,
      anonymous: { ...anonymous, ...many, unauthenticated: 10_000 },
      tiers: { ...tiers, standard: { ...standard, user: 60, address: 10_000 } },
    },
  };
}

let cutter: CommitCutter;
let platform: Platform;
let anyone: Send;
let folder: string;
let logins: Awaited<ReturnType<typeof loginUrls>>;
let places = 0;

const start = async (stateDirectory: string, name = 'gateway') =>
  startPlatform({
    databaseUrl: cutter.urlOf(postgres.url),
    schema,
    redisUrl: redis.url,
    design,
    name,
    stateDirectory,
    logins,
  });

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'platform-trail-'));
  await prepareSchema(postgres.url, { schema, design, size });
  cutter = await openCommitCutter(postgres.port);
  logins = await loginUrls(schemaUrl(cutter.urlOf(postgres.url), schema));
  platform = await start(path.join(folder, 'state'));
  anyone = client(platform.url);
});
afterAll(async () => {
  await platform?.stop();
  await cutter?.close();
  await rm(folder, { recursive: true });
});

const fresh = async (userId: string) => {
  const { token } = await platform.login(userId);
  return { userId, token, send: client(platform.url, bearer(token)) };
};
interface Row {
  readonly client_request_id: string;
  readonly user_id: string;
  readonly organisation_id: string;
  readonly outcome: string;
  readonly reason: string | null;
  readonly resource_id: string | null;
  readonly session_hash: string | null;
  readonly key_id: string | null;
  readonly sealed: Buffer | null;
  readonly version: number;
}
/** Not by the way that is cut. */
const query = async <Result>(text: string, values: readonly unknown[] = []) => {
  const db = await openConnection(schemaUrl(postgres.url, schema));
  try {
    return await db.query<Result>({ text, values });
  } finally {
    await db.close();
  }
};
const rowsOf = (requestIds: readonly string[]) =>
  query<Row>(
    `SELECT * FROM audit_logs
      WHERE client_request_id = ANY($1) AND resource_type <> 'denials' ORDER BY id`,
    [requestIds],
  );
const newId = () => {
  places += 1;
  return `trail-${places}`;
};
const missing = '00000000-0000-7000-8000-000000000000';

describe('every response to an authenticated user', () => {
  const answered: { id: string; status: number; expected: string }[] = [];
  /** Expected: status, outcome, reason; `none` without an authenticated user. */
  const ask = async (send: Send, what: string, expected: string, body?: unknown) => {
    const id = newId();
    const [method, url] = what.split(' ') as [string, string];
    const reply = await send(method, url, {
      headers: { 'x-request-id': id },
      ...(body === undefined ? {} : { body }),
    });
    answered.push({ id, status: reply.status, expected: `${what} ${expected}` });
    return reply.body;
  };
  const email = 'trail@example.test';
  const password = 'a long enough password';
  const credentials = { email, password };

  it('is recorded once, with its outcome and its reason', async () => {
    await ask(anyone, 'POST /register', '202 success', credentials);
    await ask(anyone, 'POST /register', '202 denied address-taken', credentials);
    await ask(anyone, 'POST /login', '401 denied invalid-credentials', {
      ...credentials,
      password: 'wrong password',
    });
    await ask(anyone, 'POST /login', '401 denied invalid-credentials', {
      email: 'no@example.test',
      password,
    });
    const first = await ask(anyone, 'POST /login', '200 success', credentials);
    const second = await ask(anyone, 'POST /login', '200 success', credentials);
    const one = client(platform.url, bearer(first.token));
    const two = client(platform.url, bearer(second.token));
    for (const read of ['/session', '/me', '/sessions', '/projects', '/keys', '/activity'])
      await ask(one, `GET ${read}`, '200 success');
    await ask(one, 'GET /projects/search?q=x', '200 success');
    await ask(one, `GET /projects/${missing}`, '404 denied project-not-found');
    await ask(one, 'GET /projects/not-a-uuid', '400 failure validation-failed');
    const project = await ask(one, 'POST /projects', '201 success', { name: 'one' });
    await ask(one, `GET /projects/${project.id}`, '200 success');
    await ask(one, 'POST /projects', '400 failure validation-failed', { name: '' });
    const key = await ask(one, 'POST /keys', '201 success', { name: 'ci' });
    const byKey = client(platform.url, bearer(key.token));
    await ask(byKey, 'GET /projects', '200 success');
    await ask(byKey, 'GET /me', '403 none');
    await ask(one, `POST /keys/${key.id}/agents`, '201 success', { name: 'runner' });
    await ask(one, `GET /keys/${key.id}/agents`, '200 success');
    await ask(one, `DELETE /keys/${key.id}/agents/1`, '204 success');
    await ask(one, `DELETE /keys/${key.id}/agents/1`, '204 success');
    await ask(one, `DELETE /keys/${key.id}/agents/2`, '404 denied agent-not-found');
    await ask(one, `DELETE /keys/${key.id}`, '204 success');
    await ask(one, `DELETE /keys/${key.id}`, '204 success');
    await ask(byKey, 'GET /projects', '401 none');
    await ask(one, `POST /keys/${key.id}/agents`, '404 denied key-not-found', { name: 'late' });
    await ask(one, 'POST /admin/users/3/disable', '403 denied not-administrator');
    await ask(one, 'POST /password', '403 denied wrong-password', {
      currentPassword: 'another password',
      newPassword: password,
    });
    await ask(one, `DELETE /sessions/${second.sessionId}`, '204 success');
    await ask(one, `DELETE /sessions/${second.sessionId}`, '204 success');
    await ask(one, `DELETE /sessions/${'A'.repeat(22)}`, '404 denied session-not-found');
    await ask(two, 'GET /me', '401 none');
    await ask(two, 'POST /logout', '204 success');
    const renewed = await ask(one, 'POST /session/renew', '200 success');
    const again = client(platform.url, bearer(renewed.token));
    await ask(one, 'GET /session', '401 none');
    const changed = await ask(again, 'POST /password', '200 success', {
      currentPassword: password,
      newPassword: `${password} 2`,
    });
    const last = client(platform.url, bearer(changed.token));
    await ask(last, 'POST /sessions/revoke-others', '200 success');
    await ask(last, 'POST /logout', '204 success');
    await ask(last, 'POST /logout', '204 success');
    await ask(anyone, 'POST /logout', '401 none');

    const rows = await rowsOf(answered.map(({ id }) => id));
    const found = answered.map(({ id, status, expected }) => {
      const [method, url] = expected.split(' ');
      const mine = rows.filter((row) => row.client_request_id === id);
      const outcomes = mine.map(({ outcome, reason }) =>
        reason ? `${outcome} ${reason}` : outcome,
      );
      return `${method} ${url} ${status} ${outcomes.join(' and ') || 'none'}`;
    });
    expect(found).toEqual(answered.map(({ expected }) => expected));
    const users = new Set(
      rows.map(({ user_id, organisation_id }) => `${user_id}/${organisation_id}`),
    );
    // The login of an unknown address is in the log of the platform.
    expect([users.size, users.has('0/0')]).toEqual([2, true]);
    expect(rows.every(({ sealed }) => sealed !== null)).toBe(true);
  });

  it('is recorded once for an operator who changes another user, and once where that changed something', async () => {
    await query(`UPDATE users SET role = 'operator' WHERE id = 4`);
    const { send } = await fresh('4');
    await fresh('5');
    const before = answered.length;
    await ask(send, 'POST /admin/users/5/revoke-sessions', '200 success');
    await ask(send, 'POST /admin/users/5/revoke-sessions', '200 success');
    await ask(send, 'POST /admin/users/5/disable', '200 success');
    await ask(send, 'POST /admin/users/99/disable', '404 denied user-not-found');
    const limit = '/admin/rate-limits/organisation/9/user';
    await ask(send, `PUT ${limit}`, '200 success', { limit: 5, mode: 'enforce' });
    await ask(send, `DELETE ${limit}`, '204 success');
    await ask(send, `DELETE ${limit}`, '204 success');
    await ask(send, 'PUT /admin/rate-limits/organisation/9/tier', '200 success', { tier: 'ci' });
    await ask(send, 'GET /admin/rate-limits', '200 success');
    const responses = answered.slice(before);
    const all = await rowsOf(responses.map(({ id }) => id));
    const rows = all.filter(({ organisation_id }) => organisation_id === '4');
    expect(rows.map(({ client_request_id }) => client_request_id).sort()).toEqual(
      responses.map(({ id }) => id).sort(),
    );
    const affected = all.filter(({ organisation_id }) => organisation_id !== '4');
    const [ended, , disabled, , set, removed, , tier] = responses.map(({ id }) => id);
    expect(
      affected.map((row) => [row.client_request_id, row.organisation_id, row.version, row.sealed]),
    ).toEqual([
      [ended, '5', 2, null],
      [disabled, '5', 2, null],
      [set, '9', 2, null],
      [removed, '9', 2, null],
      [tier, '9', 2, null],
    ]);
    expect(new Set(all.map(({ user_id }) => user_id))).toEqual(new Set(['4']));
    expect(new Set(rows.map(({ user_id }) => user_id))).toEqual(new Set(['4']));
    expect(responses.map(({ status }) => status)).toEqual([
      200, 200, 200, 404, 200, 204, 204, 200, 200,
    ]);
  });

  it("is recorded for the organisation of the session or key, which need not have its user's id", async () => {
    const [organisation] = await query<{ id: string }>(
      `INSERT INTO organisations (name, created_at) VALUES ('another', now()) RETURNING id`,
    );
    await query('UPDATE users SET organisation_id = $1 WHERE id = 7', [organisation!.id]);
    const { send } = await fresh('7');
    const key = await ask(send, 'POST /keys', '201 success', { name: 'ci' });
    await ask(client(platform.url, bearer(key.token)), 'GET /projects', '200 success');
    const rows = await rowsOf(answered.slice(-2).map(({ id }) => id));
    expect(
      rows.map((row) => [row.organisation_id, row.user_id, row.key_id, row.session_hash !== null]),
    ).toEqual([
      [organisation!.id, '7', null, true],
      [organisation!.id, '7', key.id, false],
    ]);
  });

  it('is recorded once when a limit refuses it', async () => {
    const { send } = await fresh('6');
    const ids = Array.from({ length: 80 }, newId);
    const replies = await Promise.all(
      ids.map((id) => send('GET', '/me', { headers: { 'x-request-id': id } })),
    );
    const rows = await rowsOf(ids);
    expect(rows.map(({ client_request_id }) => client_request_id).sort()).toEqual([...ids].sort());
    const limited = replies.filter(({ status }) => status === 429).length;
    expect(limited).toBe(20);
    expect(rows.filter(({ reason }) => reason === 'rate-limited')).toHaveLength(limited);
  });
});

it('a response waits for its event, and the metric shows the wait', async () => {
  const { send } = await fresh('31');
  const waits = async () => {
    const text = await (await fetch(`${platform.operationsUrl}/metrics`)).text();
    const read = (line: RegExp) => Number(line.exec(text)![1]);
    return {
      all: read(/^audit_wait_seconds_count (\d+)/m),
      short: read(/^audit_wait_seconds_bucket\{le="0\.1"\} (\d+)/m),
    };
  };
  expect((await send('GET', '/session')).status).toBe(200);
  const before = await waits();
  const db = await openConnection(schemaUrl(postgres.url, schema));
  try {
    await db.query({ text: 'BEGIN' });
    await db.query({ text: 'LOCK TABLE audit_logs IN SHARE MODE' });
    const answer = send('GET', '/session');
    await delay(300);
    await db.query({ text: 'COMMIT' });
    expect((await answer).status).toBe(200);
  } finally {
    await db.close();
  }
  const after = await waits();
  expect(after).toEqual({ all: before.all + 1, short: before.short });
});

describe('a change and its event', () => {
  const projectsOf = (userId: string) =>
    query<{ name: string }>(
      'SELECT name FROM projects WHERE owner_id = $1 AND created_at > now() - interval $$1 hour$$',
      [userId],
    );

  it.each(['before', 'after'] as const)(
    'are both there or both not when a COMMIT is cut %s it is carried out',
    async (how) => {
      const userId = how === 'before' ? '7' : '8';
      const { send } = await fresh(userId);
      for (let round = 0; round < 3; round += 1) {
        const id = newId();
        // Other transactions commit meanwhile: the sequencer's, an earlier event's.
        cutter.cutNext(how, 'project-create');
        const reply = await send('POST', '/projects', {
          headers: { 'x-request-id': id },
          body: { name: id },
        });
        expect(reply.status).toBe(503);
        const rows = await rowsOf([id]);
        const made = (await projectsOf(userId)).some(({ name }) => name === id);
        expect(made).toBe(how === 'after');
        expect(rows.map(({ outcome }) => outcome)).toEqual([made ? 'success' : 'failure']);
      }
    },
  );

  it('end a session together, also when the response is lost', async () => {
    const { send, token } = await fresh('9');
    const id = newId();
    cutter.cutNext('after', 'sessions-revoke');
    expect((await send('POST', '/logout', { headers: { 'x-request-id': id } })).status).toBe(503);
    expect((await rowsOf([id])).map(({ outcome }) => outcome)).toEqual(['success']);
    expect((await client(platform.url, bearer(token))('POST', '/logout')).status).toBe(204);
  });

  it('are not there when the event is refused, and the answer says so', async () => {
    await query(`CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.client_request_id = 'refused' THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '23514'; END IF; RETURN NEW; END $$`);
    await query(
      'CREATE TRIGGER refuse_one BEFORE INSERT ON audit_logs FOR EACH ROW EXECUTE FUNCTION refuse_one()',
    );
    const { send } = await fresh('10');
    const headers = { 'x-request-id': 'refused' };
    const reply = await send('POST', '/projects', { headers, body: { name: 'refused' } });
    expect([reply.status, reply.body.type]).toEqual([
      503,
      'urn:platform:problem:audit-unavailable',
    ]);
    expect(await projectsOf('10')).toEqual([]);
    expect((await send('GET', '/me', { headers })).status).toBe(503);
    await query('DROP TRIGGER refuse_one ON audit_logs');
  });
});

describe('the role of the service', () => {
  it('inserts into the log, and cannot change it', async () => {
    const db = await openConnection(logins.gateway);
    const changes = ['DELETE FROM audit_logs', 'TRUNCATE audit_logs', 'DELETE FROM audit_blocks'];
    for (const text of [...changes, `UPDATE audit_logs SET outcome = 'success'`])
      await expect(db.query({ text })).rejects.toMatchObject({ code: '42501' });
    await db.close();
  });
});

describe('erasure', () => {
  it('makes personal fields unreadable, changes no row, and seals later ones under a new key', async () => {
    const { userId, send } = await fresh('11');
    const ids = [newId(), newId(), newId()];
    const headers = (at: number) => ({ 'x-request-id': ids[at]!, 'user-agent': 'a browser' });
    await send('GET', '/me', { headers: headers(0) });
    const { subjects } = platform.services.audit!;
    const [row] = await rowsOf([ids[0]!]);
    expect(openPersonal((await subjects.readKey(userId))!, userId, row!.sealed!)).toEqual({
      ip: '127.0.0.1',
      userAgent: 'a browser',
    });
    const all =
      'SELECT md5(string_agg(l::text, chr(10) ORDER BY id)) AS hash FROM audit_logs AS l WHERE client_request_id = $1';
    const before = await query(all, [ids[0]]);
    const erasing = { headers: headers(1), body: { password: SEED_PASSWORD } };
    expect((await send('DELETE', '/me/personal-data', erasing)).status).toBe(204);
    expect((await send('POST', '/logout', { headers: headers(2) })).status).toBe(204);
    expect(await query(all, [ids[0]])).toEqual(before);
    const rows = await rowsOf(ids);
    expect(rows[1]).toMatchObject({ outcome: 'success', resource_id: userId });
    const key = (await subjects.readKey(userId))!;
    const opened = rows.map(({ sealed }) => openPersonal(key, userId, sealed!) !== null);
    expect(opened).toEqual([false, true, true]);
  });
});

describe('while PostgreSQL is unavailable', () => {
  it('answers reads and records them once when it is back, and refuses changes', async () => {
    const { send } = await fresh('12');
    expect((await send('GET', '/session')).status).toBe(200);
    const reads = Array.from({ length: 12 }, newId);
    const changes = [newId(), newId()];
    await postgres.kill();
    const statuses = await Promise.all(
      reads.map(async (id, at) => {
        const url = at % 3 === 2 ? '/projects' : '/session';
        return (await send('GET', url, { headers: { 'x-request-id': id } })).status;
      }),
    );
    expect(statuses).toEqual(reads.map((_, at) => (at % 3 === 2 ? 503 : 200)));
    for (const id of changes) {
      const headers = { 'x-request-id': id };
      expect((await send('POST', '/projects', { headers, body: { name: id } })).status).toBe(503);
    }
    // A copy, as a killed process leaves it; the running process drains its own file as well.
    const left = path.join(folder, 'left');
    await cp(path.join(folder, 'state'), left, { recursive: true });
    await postgres.startAgain();
    const recorded = async () => (await rowsOf(reads)).length;
    for (let tries = 0; (await recorded()) < reads.length && tries < 100; tries += 1)
      await delay(100);
    // Under a name of its own, as long as the first one runs.
    await rename(path.join(left, 'gateway'), path.join(left, 'next'));
    expect((await stat(path.join(left, 'next', LOCAL_LOG_FILE_NAME))).size).toBeGreaterThan(0);
    const next = await start(left, 'next');
    for (let tries = 0; tries < 5; tries += 1) await delay(100);
    await next.stop();
    const rows = await rowsOf(reads);
    expect(rows.map(({ client_request_id }) => client_request_id).sort()).toEqual(
      [...reads].sort(),
    );
    expect(rows.filter(({ outcome }) => outcome === 'failure')).toHaveLength(4);
    expect(await query('SELECT 1 FROM projects WHERE name = ANY($1)', [changes])).toEqual([]);
    expect((await rowsOf(changes)).every(({ outcome }) => outcome === 'failure')).toBe(true);
  });

  it('records what a killed process left after the next start', async () => {
    const { token, send } = await fresh('13');
    expect((await send('GET', '/session')).status).toBe(200);
    const stateDirectory = path.join(folder, 'other');
    await cp(path.join(folder, 'state', 'audit'), path.join(stateDirectory, 'audit'), {
      recursive: true,
    });
    const other = await start(stateDirectory, 'other');
    const id = newId();
    const toOther = client(other.url, { ...bearer(token), 'x-request-id': id });
    await postgres.kill();
    expect((await toOther('GET', '/session')).status).toBe(200);
    const left = path.join(folder, 'left-by-other');
    await cp(stateDirectory, left, { recursive: true });
    // Closed without a drain: PostgreSQL is still unavailable.
    await other.stop();
    await postgres.startAgain();
    expect(await rowsOf([id])).toEqual([]);
    const next = await start(left, 'other');
    for (let tries = 0; (await rowsOf([id])).length === 0 && tries < 100; tries += 1)
      await delay(100);
    expect(await rowsOf([id])).toHaveLength(1);
    await next.stop();
  });
});
