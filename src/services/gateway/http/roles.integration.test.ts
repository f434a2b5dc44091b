/** What each role may do to whom over HTTP, and what of it is on record in whose log. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../sim/effects/testbed/fixtures/bed.ts';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import type { Role } from '../../access-policy.ts';
import { findDesign } from '../../lineage.ts';
import { bearer, client, type Send } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  startPlatform,
  usersWithoutHistory,
  withCheapPasswords,
} from '../fixtures/platform.ts';

const { postgres, redis } = sharedStores('roles');
const schema = 'roles';
const design = withCheapPasswords(findDesign('turn4.after'));
let platform: Platform;
/** Of both processes: the keys of the log. */
let stateDirectory: string;
/** Organisation 1: its administrator, its auditor, members 3 and 4. Organisation 5: an administrator and member 6. */
let administrator: Send;
let auditor: Send;
let member: Send;
let operator: Send;
let foreign: Send;

const sql = (text: string, ...values: unknown[]) =>
  platform.db.query<Record<string, string>>({ text, values });

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design, size: usersWithoutHistory(40) });
  stateDirectory = await mkdtemp(path.join(tmpdir(), 'platform-roles-'));
  const given = { databaseUrl: postgres.url, schema, redisUrl: redis.url, design, stateDirectory };
  platform = await startPlatform(given);
  const person = async (userId: string, organisationId: string, role: Role) => {
    const text = 'UPDATE users SET organisation_id = $2, role = $3 WHERE id = $1';
    await sql(text, userId, organisationId, role);
    return client(platform.url, bearer((await platform.login(userId)).token));
  };
  administrator = await person('1', '1', 'administrator');
  auditor = await person('2', '1', 'auditor');
  member = await person('3', '1', 'member');
  await person('4', '1', 'member');
  foreign = await person('5', '5', 'administrator');
  await person('6', '5', 'member');
  operator = await person('7', '7', 'operator');
  await person('8', '1', 'operator');
});
afterAll(async () => {
  await platform?.stop();
  await rm(stateDirectory, { recursive: true });
});

const answer = async (send: Send, method: string, path: string, body?: unknown) => {
  const reply = await send(method, path, body === undefined ? {} : { body });
  const code = String(reply.body?.type ?? '').replace('urn:platform:problem:', '');
  return code === '' ? String(reply.status) : `${reply.status} ${code}`;
};
const limit = { limit: 50, mode: 'enforce' };
const actions = [
  ['POST', 'revoke-keys', undefined],
  ['POST', 'revoke-sessions', undefined],
  ['POST', 'disable', undefined],
  ['PUT', 'role', { role: 'member' }],
] as const;

describe('what another person has', () => {
  it.each(actions)(
    '%s %s is changed by nobody without a role, whoever it is',
    async (method, path, body) => {
      for (const send of [member, auditor])
        for (const id of ['3', '4', '6', '99999'])
          expect(await answer(send, method, `/admin/users/${id}/${path}`, body)).toBe(
            '403 not-administrator',
          );
    },
  );

  it.each(actions)(
    '%s %s is changed by an administrator in the own organisation alone',
    async (method, path, body) => {
      for (const id of ['6', '7', '99999']) {
        const reply = await administrator(
          method,
          `/admin/users/${id}/${path}`,
          body ? { body } : {},
        );
        const { requestId: _, ...problem } = reply.body;
        expect(problem).toEqual({
          type: 'urn:platform:problem:user-not-found',
          title: 'Not Found',
          status: 404,
          detail: 'There is no user with this id.',
        });
      }
      expect(await answer(administrator, method, `/admin/users/8/${path}`, body)).toBe(
        '403 not-operator',
      );
      expect(await answer(administrator, method, `/admin/users/4/${path}`, body)).toBe('200');
    },
  );

  it('gets no role of the platform over HTTP, and no role from its owner', async () => {
    const url = '/admin/users/4/role';
    for (const send of [administrator, operator])
      expect(await answer(send, 'PUT', url, { role: 'operator' })).toBe('400 validation-failed');
    expect(await answer(member, 'PUT', '/admin/users/3/role', { role: 'administrator' })).toBe(
      '403 not-administrator',
    );
    expect(await answer(administrator, 'PUT', url, { role: 'auditor' })).toBe('200');
    const [row] = await sql('SELECT role FROM users WHERE id = 4');
    expect(row).toEqual({ role: 'auditor' });
  });

  it('is out of reach at once for an administrator who no longer is one, or who left', async () => {
    const url = '/admin/users/6/revoke-sessions';
    expect(await answer(foreign, 'POST', url)).toBe('200');
    await sql(`UPDATE users SET role = 'member' WHERE id = 5`);
    expect(await answer(foreign, 'POST', url)).toBe('403 not-administrator');
    await sql(`UPDATE users SET organisation_id = 9, role = 'administrator' WHERE id = 5`);
    expect(await answer(foreign, 'POST', url)).toBe('401 membership-ended');
    await sql(`UPDATE users SET organisation_id = 5 WHERE id = 5`);
  });
});

describe('a member who is removed', () => {
  it('has neither session nor key any more, in any process, and nothing of the role', async () => {
    const elsewhere = await startPlatform({
      databaseUrl: postgres.url,
      schema,
      redisUrl: redis.url,
      design,
      stateDirectory,
      name: 'gateway.2',
    });
    try {
      await sql(`UPDATE users SET organisation_id = 1, role = 'auditor' WHERE id = 10`);
      const { token } = await platform.login('10');
      const urls = [platform.url, elsewhere.url];
      const key = (
        await client(platform.url, bearer(token))('POST', '/keys', { body: { name: 'ci' } })
      ).body.token as string;
      const statuses = (one: string) =>
        Promise.all(
          urls.map(async (url) => (await client(url, bearer(one))('GET', '/projects')).status),
        );
      expect([await statuses(token), await statuses(key)]).toEqual([
        [200, 200],
        [200, 200],
      ]);
      const headers = { 'x-request-id': 'removal' };
      const url = '/admin/users/10/remove';
      expect(await answer(member, 'POST', url)).toBe('403 not-administrator');
      expect((await administrator('POST', url, { headers })).status).toBe(204);
      expect(await statuses(token)).toEqual([401, 401]);
      // A key is read again within a second.
      await eventually('the key is refused', async () =>
        (await statuses(key)).every((status) => status === 401),
      );
      const [row] = await sql(
        'SELECT organisation_id AS organisation, role FROM users WHERE id = 10',
      );
      expect(row!.role).toBe('member');
      expect(Number(row!.organisation)).toBeGreaterThan(40);
      const events = await sql(
        `SELECT organisation_id AS organisation, change FROM audit_logs WHERE client_request_id = 'removal'`,
      );
      expect(events.map(({ organisation }) => organisation)).toEqual(['1']);
      expect(JSON.parse(events[0]!.change!)).toEqual({
        before: { organisation: '1', role: 'auditor' },
        after: { organisation: row!.organisation, role: 'member' },
      });
      expect(await answer(administrator, 'POST', url)).toBe('404 user-not-found');
      const back = client(platform.url, bearer((await platform.login('10')).token));
      const seen = (await back('GET', '/audit?limit=100')).body.items as { userId: string }[];
      expect(seen.filter(({ userId }) => userId !== '10')).toEqual([]);
    } finally {
      await elsewhere.stop();
    }
  });
});

describe('limits', () => {
  it('of the platform are an operator’s, and an organisation’s own its administrator’s', async () => {
    const url = '/admin/rate-limits';
    const tier = `${url}/tier/standard/user`;
    expect(await answer(member, 'PUT', tier, limit)).toBe('403 not-administrator');
    expect(await answer(auditor, 'GET', url)).toBe('403 not-administrator');
    expect(await answer(administrator, 'PUT', tier, limit)).toBe('403 not-operator');
    const given = { tier: 'ci' };
    expect(await answer(administrator, 'PUT', `${url}/organisation/1/tier`, given)).toBe(
      '403 not-operator',
    );
    for (const id of ['5', '99999'])
      expect(await answer(administrator, 'PUT', `${url}/organisation/${id}/user`, limit)).toBe(
        '404 organisation-not-found',
      );
    expect(await answer(operator, 'PUT', `${url}/organisation/99999/user`, limit)).toBe(
      '404 organisation-not-found',
    );
    expect(await answer(administrator, 'PUT', `${url}/organisation/1/user`, limit)).toBe('200');
    const more = { limit: 10_000, mode: 'enforce' };
    expect(await answer(administrator, 'PUT', `${url}/organisation/1/user`, more)).toBe(
      '403 limit-not-allowed',
    );
    expect(await answer(operator, 'PUT', tier, { limit: 100, mode: 'enforce' })).toBe('200');
    const listed = (await administrator('GET', url)).body.items;
    expect(listed).toMatchObject([{ scope: 'organisation', name: '1', setBy: 'administrator' }]);
    expect((await operator('GET', url)).body.items).toHaveLength(2);
  });
});

describe('a change by an operator', () => {
  it('is on record in the organisation it concerns, with before and after and without the address of the operator', async () => {
    const headers = { 'x-request-id': 'operator-role' };
    await operator('PUT', '/admin/users/6/role', { body: { role: 'auditor' }, headers });
    const reader = client(platform.url, bearer((await platform.login('6')).token));
    const change = { before: { role: 'member' }, after: { role: 'auditor' } };
    const found = async (send: Send) =>
      (await send('GET', '/audit?action=user.assign-role')).body.items[0];
    const common = {
      userId: '7',
      action: 'user.assign-role',
      resourceId: '6',
      outcome: 'success',
      clientRequestId: 'operator-role',
      change,
    };
    expect(await found(reader)).toMatchObject({
      ...common,
      sessionHash: null,
      personal: null,
      erased: false,
    });
    expect(await found(operator)).toMatchObject({
      ...common,
      personal: { ip: '127.0.0.1', userAgent: 'node' },
    });
  });

  it('is on record once within one organisation', async () => {
    const headers = { 'x-request-id': 'own-disable' };
    await administrator('POST', '/admin/users/4/disable', { headers });
    const rows = await sql(
      `SELECT organisation_id AS organisation, change FROM audit_logs WHERE client_request_id = 'own-disable'`,
    );
    expect(rows.map(({ organisation }) => organisation)).toEqual(['1']);
    expect(JSON.parse(rows[0]!.change!)).toMatchObject({ after: { disabled: true, sessions: 0 } });
  });

  it('revokes every key of a user, with how many there were', async () => {
    const owner = client(platform.url, bearer((await platform.login('6')).token));
    const { token } = (await owner('POST', '/keys', { body: { name: 'ci' } })).body;
    const headers = { 'x-request-id': 'keys-revoked' };
    const url = '/admin/users/6/revoke-keys';
    expect((await operator('POST', url, { headers })).body).toEqual({ revoked: 1 });
    expect((await operator('POST', url)).body).toEqual({ revoked: 0 });
    expect((await client(platform.url, bearer(token))('GET', '/projects')).status).toBe(401);
    const rows = await sql(
      `SELECT organisation_id AS organisation, change FROM audit_logs WHERE client_request_id = 'keys-revoked' ORDER BY id`,
    );
    const change = '{"before":{"keys":1},"after":{"keys":0}}';
    expect(rows).toEqual([
      { organisation: '7', change },
      { organisation: '5', change },
    ]);
  });

  it('leaves nothing in the log of an organisation that refused attempts named', async () => {
    await administrator('POST', '/admin/users/6/disable', {
      headers: { 'x-request-id': 'refused' },
    });
    const rows = await sql(
      `SELECT organisation_id AS organisation, outcome, reason, change FROM audit_logs WHERE client_request_id = 'refused'`,
    );
    expect(rows).toEqual([
      { organisation: '1', outcome: 'denied', reason: 'user-not-found', change: null },
    ]);
  });
});
