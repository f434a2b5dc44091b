/** Settings on a real PostgreSQL, as two processes hold them: what one changes holds in both, and survives an outage. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ownPostgres } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { Role } from '../access-policy.ts';
import { createAuthorize } from '../authorization.ts';
import type { ExactLimitsDesign } from '../design.ts';
import { openDatabase, type PooledDatabase } from '../gateway/clients.ts';
import { findDesign } from '../lineage.ts';
import type { AuditFields, Database, TransactionalDatabase } from '../ports.ts';
import type { Call, RouteResponse } from '../route.ts';
import { limitRoutes } from './routes.ts';
import { createLimitSettings, type LimitSettings, writeLimitSettings } from './settings.ts';
import { createLimitSettingsChanges } from './settings-changes.ts';
import { MAX_ROWS } from './settings-policy.ts';

const exactDesign = findDesign('turn2.after').rateLimit as ExactLimitsDesign;
const refreshMs = 50;
const design = { ...exactDesign, degraded: { ...exactDesign.degraded, refreshMs } };
const { standard, enterprise, ci } = design.tiers;
const clock = { nowUs: () => Date.now() * 1_000 };
const readSql = (file: string) => readFileSync(path.join(import.meta.dirname, file), 'utf8');
const schema = readSql('schema.sql');

const postgres = ownPostgres('settings');
let pool: PooledDatabase;
let statements: string[] = [];
let reports: Error[] = [];
let opened: LimitSettings[] = [];

const counted = (inner: Database): Database => ({
  query(statement) {
    statements.push(statement.name ?? statement.text);
    return inner.query(statement);
  },
});
const db: TransactionalDatabase = {
  query: (statement) => counted(pool).query(statement),
  transaction: (work) => pool.transaction((tx) => work(counted(tx))),
};

beforeAll(async () => {
  pool = openDatabase({
    databaseUrl: postgres.url,
    design: { poolMax: 5, connectionTimeoutMs: 1_000, statementTimeoutMs: 5_000 },
    applicationName: 'settings',
    onConnectionError: () => {}, // The next statement rejects as well.
  });
  await db.query({ text: readSql('../sessions/schema.sql') });
  await db.query({
    text: `INSERT INTO organisations (id, name, created_at) SELECT n, 'n', now() FROM generate_series(1, 9) AS n`,
  });
  await db.query({ text: schema });
  // Twice, because the schema must be idempotent.
  await db.query({ text: schema });
});
beforeEach(async () => {
  await db.query({ text: 'TRUNCATE limit_tenants, limit_settings' });
  reports = [];
});
afterEach(async () => {
  await Promise.all(opened.map((one) => one.close()));
  opened = [];
});
afterAll(() => pool?.close());

async function open(): Promise<LimitSettings> {
  const settings = createLimitSettings({ db, design, clock, onError: (e) => void reports.push(e) });
  await settings.start();
  opened.push(settings);
  return settings;
}

async function eventually(condition: () => boolean, limitMs = 10_000) {
  const until = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > until) throw new Error(`not within ${limitMs} ms`);
    await delay(5);
  }
}

const enforced = (limit: number) => ({ limit, mode: 'enforce' as const });
const user = { policy: 'user', mode: 'enforce' } as const;
const ofOrganisation = { ...user, scope: 'organisation', name: '7' } as const;

describe('limits in memory', () => {
  it('are those of the design where nothing is set, and of the narrowest setting where something is', async () => {
    const settings = await open();
    expect(settings.limitsOf('7').user).toEqual(enforced(standard.user));
    expect(settings.limitsOf('7', 'ci').key).toEqual(enforced(ci.key));
    await writeLimitSettings(db, [
      { organisationId: '7', tier: 'enterprise' },
      { organisationId: '8', tier: 'enterprise' },
      { ...ofOrganisation, limit: 9_999 },
      { ...user, scope: 'tier', name: 'enterprise', limit: 5, mode: 'shadow' },
    ]);
    await settings.refresh();
    expect(settings.limitsOf('7').user).toEqual(enforced(9_999));
    expect(settings.limitsOf('7').address).toEqual(enforced(enterprise.address));
    expect(settings.limitsOf('8').user).toEqual({ limit: 5, mode: 'shadow' });
    expect(settings.limitsOf('9').user).toEqual(enforced(standard.user));
  });

  it('follow changes of other processes and operators, with one small statement per refresh', async () => {
    const settings = await open();
    await writeLimitSettings(db, [{ ...ofOrganisation, limit: 3 }]);
    await eventually(() => settings.limitsOf('7').user.limit === 3);
    await db.query({ text: `UPDATE limit_settings SET "limit" = 4, mode = 'off'` });
    await eventually(() => settings.limitsOf('7').user.limit === 4);
    expect(settings.limitsOf('7').user.mode).toBe('off');
    statements = [];
    await delay(6 * refreshMs);
    expect(new Set(statements)).toEqual(new Set(['limit-settings-version']));
    await db.query({ text: 'DELETE FROM limit_settings' });
    await eventually(() => settings.limitsOf('7').user.limit === standard.user);
  });

  it('apply a change of many rows atomically', async () => {
    const settings = await open();
    const rows = (limit: number) =>
      Array.from({ length: 200 }, (_, i) => ({ ...ofOrganisation, name: String(i + 1), limit }));
    let writing = true;
    const writes = (async () => {
      for (let limit = 1; limit <= 20; limit += 1) await writeLimitSettings(db, rows(limit));
      writing = false;
    })();
    while (writing) {
      await settings.refresh();
      const seen = new Set(rows(0).map(({ name }) => settings.limitsOf(name).user.limit));
      expect(seen.size).toBe(1);
    }
    await writes;
  });

  it('stay in force while PostgreSQL is down, with one report, and refresh again afterwards', async () => {
    const settings = await open();
    await writeLimitSettings(db, [{ ...ofOrganisation, limit: 3 }]);
    await settings.refresh();
    await postgres.stop();
    try {
      await eventually(() => reports.length === 1);
      await delay(6 * refreshMs);
      expect(settings.limitsOf('7').user.limit).toBe(3);
      expect(reports).toHaveLength(1);
    } finally {
      await postgres.startAgain();
    }
    await writeLimitSettings(db, [{ ...ofOrganisation, limit: 2 }]);
    await eventually(() => settings.limitsOf('7').user.limit === 2);
  });

  it('stay in force when there are more rows than a process takes', async () => {
    await writeLimitSettings(db, [{ ...ofOrganisation, limit: 3 }]);
    const settings = await open();
    const text = `INSERT INTO limit_tenants SELECT n, 'ci' FROM generate_series(1, ${MAX_ROWS}) AS n`;
    await db.query({ text });
    await eventually(() => reports.length === 1);
    expect(String(reports[0]!.cause)).toContain(`more than ${MAX_ROWS}`);
    expect(settings.limitsOf('8').user).toEqual(enforced(standard.user));
    const changes = createLimitSettingsChanges({ db });
    const one = changes.write({ organisationId: '999999', tier: 'ci' }, async () => {});
    await expect(one).rejects.toMatchObject({ status: 409 });
    expect(
      await db.query({ text: 'SELECT 1 FROM limit_tenants WHERE organisation_id = 999999' }),
    ).toEqual([]);
  });

  it('are checked by PostgreSQL', async () => {
    for (const limit of [0, -1, 10_001, 1.5])
      await expect(writeLimitSettings(db, [{ ...ofOrganisation, limit }])).rejects.toThrow();
  });
});

describe('the routes of limits', () => {
  const routes = async (role: Role) => {
    const settings = await open();
    const changes = createLimitSettingsChanges({ db });
    const membership = { organisationId: '7', role, disabled: false };
    const authorize = createAuthorize({ findMembership: async () => membership });
    const all = limitRoutes({ settings, changes, authorize });
    const call = async (action: string, more: Partial<Call> = {}): Promise<RouteResponse> =>
      all
        .find((route) => route.action === `rate-limit.${action}`)!
        .handle({
          userId: '1',
          session: { organisationId: '7' },
          token: '',
          params: {},
          query: {},
          body: {},
          origin: { requestId: 'r', device: null, ip: null },
          auditContext: { userId: '1', organisationId: '1', resourceId: null },
          recordIn: async () => {},
          ...more,
        } as Call);
    return { settings, call };
  };
  const params = { scope: 'organisation', name: '7', policy: 'user' };

  it('let an operator set, list and remove a limit, each in effect when it is answered', async () => {
    const { settings, call } = await routes('operator');
    const auditContext = { userId: '1', organisationId: '1', resourceId: null };
    const body = { limit: 12, mode: 'shadow' };
    expect(await call('set', { params, body, auditContext })).toMatchObject({
      status: 200,
      body,
    });
    expect(auditContext.resourceId).toBe('organisation/7/user');
    expect(settings.limitsOf('7').user).toEqual(body);
    expect((await call('tier', { params: { name: '7' }, body: { tier: 'ci' } })).status).toBe(200);
    expect(settings.limitsOf('7').key).toEqual(enforced(ci.key));
    const listed = await call('list');
    expect(listed.body).toMatchObject({
      items: [
        { scope: 'organisation', name: '7', policy: 'tier', tier: 'ci', limit: null },
        { ...params, ...body, tier: null, changedAt: expect.stringMatching(/Z$/) },
      ],
      next: null,
    });
    for (let again = 0; again < 2; again += 1)
      expect((await call('remove', { params })).status).toBe(204);
    expect(settings.limitsOf('7').user).toEqual(enforced(ci.user));
  });

  it('list all of it page by page', async () => {
    const { call } = await routes('operator');
    const rows = Array.from({ length: 1_200 }, (_, i) => ({
      ...ofOrganisation,
      name: `${i + 1}`,
      limit: 1,
    }));
    await writeLimitSettings(db, rows);
    const names: string[] = [];
    let next: string | null = null;
    do {
      const query = next === null ? {} : { cursor: next };
      const page = (await call('list', { query })).body as {
        items: { name: string }[];
        next: string | null;
      };
      names.push(...page.items.map(({ name }) => name));
      next = page.next;
    } while (next !== null);
    expect(names).toHaveLength(1_200);
    expect(new Set(names).size).toBe(1_200);
  });

  it('need a role', async () => {
    const { settings, call } = await routes('member');
    const body = { limit: 12, mode: 'enforce', tier: 'ci' };
    for (const action of ['list', 'set', 'remove', 'tier'])
      await expect(call(action, { params, body })).rejects.toMatchObject({ status: 403 });
    expect(settings.limitsOf('7').user).toEqual(enforced(standard.user));
  });

  it('name a tier by its name and an organisation by its id', async () => {
    const { call } = await routes('operator');
    const body = { limit: 12, mode: 'enforce' };
    for (const wrong of [
      { ...params, scope: 'tier' },
      { ...params, name: 'ci' },
    ])
      await expect(call('set', { params: wrong, body })).rejects.toMatchObject({ status: 400 });
  });

  it('let an administrator set less than the operator allows, for the own organisation alone', async () => {
    const { settings, call } = await routes('administrator');
    const set = (more: object, name = '7') =>
      call('set', { params: { ...params, name }, body: { limit: 5, mode: 'enforce', ...more } });
    expect((await set({})).body).toMatchObject({ setBy: 'administrator', limit: 5 });
    expect(settings.limitsOf('7').user).toEqual(enforced(5));
    expect((await set({ limit: standard.user })).status).toBe(200);
    for (const more of [{ limit: standard.user + 1 }, { mode: 'shadow' }, { mode: 'off' }])
      await expect(set(more)).rejects.toMatchObject({ status: 403, code: 'limit-not-allowed' });
    await set({ limit: 5 });
    await writeLimitSettings(db, [{ ...ofOrganisation, name: '7', limit: 9 }]);
    await settings.refresh();
    expect(settings.limitsOf('7').user).toEqual(enforced(5));
    // What an operator set is neither replaced nor taken away.
    await expect(set({ limit: 10 })).rejects.toMatchObject({ code: 'limit-not-allowed' });
    await call('remove', { params });
    expect(settings.limitsOf('7').user).toEqual(enforced(9));
    const gone = { status: 404, code: 'organisation-not-found' };
    const refused = { status: 403, code: 'not-operator' };
    for (const name of ['8', '4711']) {
      await expect(set({}, name)).rejects.toMatchObject(gone);
      await expect(call('remove', { params: { ...params, name } })).rejects.toMatchObject(gone);
    }
    const tier = { params: { scope: 'tier', name: 'standard', policy: 'user' } };
    await expect(
      call('set', { ...tier, body: { limit: 1, mode: 'enforce' } }),
    ).rejects.toMatchObject(refused);
    await expect(call('remove', tier)).rejects.toMatchObject(refused);
    const organisation = { params: { name: '7' }, body: { tier: 'ci' } };
    await expect(call('tier', organisation)).rejects.toMatchObject(refused);
  });

  it('follow an operator who later allows less', async () => {
    const { settings, call } = await routes('administrator');
    await call('set', { params, body: { limit: 8, mode: 'enforce' } });
    await writeLimitSettings(db, [{ ...ofOrganisation, name: '7', limit: 3 }]);
    await settings.refresh();
    expect(settings.limitsOf('7').user).toEqual(enforced(3));
  });

  it('list to an administrator the own organisation alone', async () => {
    const { call } = await routes('administrator');
    const others = ['6', '8'].map((name) => ({ ...ofOrganisation, name, limit: 1 }));
    const tier = { ...ofOrganisation, scope: 'tier', name: 'ci', limit: 1 } as const;
    await writeLimitSettings(db, [...others, tier, { organisationId: '6', tier: 'ci' }]);
    await writeLimitSettings(db, [{ ...ofOrganisation, name: '7', limit: 9 }]);
    await call('set', { params, body: { limit: 2, mode: 'enforce' } });
    const { items } = (await call('list')).body as { items: object[] };
    expect(items).toEqual([
      expect.objectContaining({ ...params, limit: 2, setBy: 'administrator' }),
      expect.objectContaining({ ...params, limit: 9, setBy: 'operator' }),
    ]);
  });

  it('record what was before and after, and whose it is', async () => {
    const { call } = await routes('operator');
    const said: (AuditFields | null | undefined)[] = [];
    const recordIn = async (_tx: Database, about?: AuditFields | null) => void said.push(about);
    const body = (limit: number) => ({ limit, mode: 'enforce' });
    await call('set', { params, body: body(4), recordIn });
    await call('set', { params, body: body(6), recordIn });
    await call('remove', { params, recordIn });
    await call('remove', { params, recordIn });
    await call('tier', { params: { name: '7' }, body: { tier: 'ci' }, recordIn });
    const tier = { scope: 'tier', name: 'ci', policy: 'user' };
    await call('set', { params: tier, body: body(6), recordIn });
    const affectedOrganisationId = '7';
    expect(said).toEqual([
      { change: { before: null, after: body(4) }, affectedOrganisationId },
      { change: { before: body(4), after: body(6) }, affectedOrganisationId },
      { change: { before: body(6), after: null }, affectedOrganisationId },
      { change: { before: null, after: { tier: 'ci' } }, affectedOrganisationId },
      { change: { before: null, after: body(6) } },
    ]);
  });
});
