/**
 * Groups of accounts on real stores: every credential written is one that the platform accepts, as whom the account
 * says.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import { createApiKeys } from '../api-keys/store.ts';
import type { ExactLimitsDesign } from '../design.ts';
import { openDatabase, type PooledDatabase } from '../gateway/clients.ts';
import { sessionKey } from '../gateway/fixtures/platform.ts';
import { openRedis } from '../gateway/redis-clients.ts';
import { systemClock, systemRandom } from '../gateway/system.ts';
import { findDesign } from '../lineage.ts';
import { createLimitSettings } from '../rate-limit/settings.ts';
import { createUserStore } from '../sessions/accounts/user-store.ts';
import { createPasswords } from '../sessions/hashing/password.ts';
import { SEED_PASSWORD } from '../sessions/seed.ts';
import { createSessionStore } from '../sessions/session-store.ts';
import { readToken } from '../sessions/token.ts';
import { readGroups } from './account-groups.ts';
import { createBase } from './database-template.ts';
import { type Account, createGroupAccounts } from './group-accounts.ts';

const entry = fileURLToPath(new URL('../../../dist/services/jobs/accounts.js', import.meta.url));
const schema = 'groups';
const design = findDesign('turn1.before');
const exact = findDesign('turn2.after').rateLimit as ExactLimitsDesign;
const users = 40;
const observer = {
  onCacheRead() {},
  onDatabaseFallback() {},
  onBreaker() {},
  onForgedCopy() {},
  onFence() {},
  onError(error: Error) {
    throw error;
  },
};

const { postgres, redis: redisServer } = ownStores('groups');
let redis: ReturnType<typeof openRedis>;
let db: PooledDatabase;
let databaseUrl: string;

beforeAll(async () => {
  redis = openRedis(redisServer.url, () => {});
  const url = new URL(postgres.url);
  url.searchParams.set('options', `-c search_path=${schema}`);
  databaseUrl = url.toString();
  db = openDatabase({
    databaseUrl,
    // One connection, because the template is one transaction.
    design: { ...design.database, poolMax: 1 },
    applicationName: 'groups-test',
    onConnectionError: () => {},
  });
  const size = { rows: 0, users, heavyUsers: 0, heavyRows: 0, seed: 7, anchorUs: 1_760_000_000e6 };
  await createBase(db, { ...size, schema, design });
});
afterAll(async () => {
  redis?.disconnect();
  await db?.close();
});

const make = (...groups: readonly unknown[]): Promise<readonly Account[]> =>
  createGroupAccounts(readGroups(groups, { users }), {
    db,
    redis,
    keyPrefix: 'test:',
    clock: systemClock,
    random: systemRandom,
    sessionKey,
    design: design.sessions,
  });
const tokenOf = ({ headers }: Account) => headers.authorization!.slice('Bearer '.length);
const openSessions = () =>
  createSessionStore({
    name: 'test',
    db,
    fenceDb: db,
    redis,
    sessionRedis: redis,
    keyPrefix: 'test:',
    clock: systemClock,
    random: systemRandom,
    design: design.sessions,
    sessionKey,
    observer,
  });
const keys = () => createApiKeys({ db, clock: systemClock, random: systemRandom });

describe('groups of accounts', () => {
  it('of sessions are sessions', async () => {
    const sessions = openSessions();
    const accounts = await make({ name: 'people', kind: 'sessions', count: 5, firstUser: 3 });
    expect(accounts.map(({ id }) => id)).toEqual(['3', '4', '5', '6', '7']);
    for (const account of accounts) {
      const session = await sessions.check(tokenOf(account));
      expect(session).toMatchObject({ id: account.subject, userId: account.id });
      expect(account).toMatchObject({
        group: 'people',
        vars: {
          email: `user${account.id}@example.test`,
          session: account.subject,
          key: '',
          agent: '0',
        },
      });
      const [project] = await db.query<{ owner: string }>({
        text: 'SELECT owner_id AS owner FROM projects WHERE id = $1',
        values: [account.vars.project],
      });
      expect(project?.owner).toBe(account.id);
    }
  });

  it('of keys and agents are keys and agents, a stolen and a greedy one too', async () => {
    const accounts = await make(
      { name: 'bots', kind: 'keys', count: 2, keysPerUser: 3, firstUser: 10, addresses: 1 },
      { name: 'builds', kind: 'agents', agents: 4, tier: 'ci', addresses: 2 },
      { name: 'greedy', kind: 'agents', agents: 1, keyOf: 'builds' },
      { name: 'stolen', kind: 'keys', keyOf: 'builds', addresses: 3 },
    );
    const of = (group: string) => accounts.filter((account) => account.group === group);
    expect(
      [of('bots'), of('builds'), of('greedy'), of('stolen')].map(({ length }) => length),
    ).toEqual([6, 4, 1, 3]);
    const apiKeys = keys();
    for (const account of accounts) {
      const caller = await apiKeys.authenticate(tokenOf(account));
      const { subject, id, vars } = account;
      expect(caller).toMatchObject({ subject, ownerId: id, organisationId: id, keyId: vars.key });
      expect(String(caller!.agent)).toBe(vars.agent);
      const inBuilds = account.group !== 'bots';
      expect(caller).toMatchObject(
        inBuilds ? { agents: 5, tier: 'ci' } : { agents: 0, tier: null },
      );
    }
    const buildKeys = [...of('builds'), ...of('greedy'), ...of('stolen')].map(
      ({ vars }) => vars.key,
    );
    expect(new Set(buildKeys).size).toBe(1);
    expect(of('greedy')[0]!.subject).toBe(`agent:${buildKeys[0]}/5`);
    expect(new Set(of('bots').map(({ vars }) => vars.key)).size).toBe(6);
    expect(of('bots').map(({ id }) => id)).toEqual(['10', '10', '10', '11', '11', '11']);
    const places = (group: string) => of(group).map(({ vars }) => vars.address);
    expect(new Set(places('bots'))).toEqual(new Set(['10.1.0.1']));
    expect(places('builds')).toEqual(['10.2.0.1', '10.2.0.2', '10.2.0.1', '10.2.0.2']);
    expect(places('stolen')).toEqual(['10.4.0.1', '10.4.0.2', '10.4.0.3']);
  });

  it('belong to one organisation where it is shared, with their credentials', async () => {
    const [first, ...others] = await make(
      { name: 'team', kind: 'keys', count: 3, firstUser: 20, oneOrganisation: true },
      { name: 'runners', kind: 'agents', agents: 1, keyOf: 'team' },
    );
    expect(others).toHaveLength(5);
    for (const account of [first!, ...others]) {
      const caller = await keys().authenticate(tokenOf(account));
      const { subject, id } = account;
      expect(caller).toMatchObject({ subject, ownerId: id, organisationId: first!.id });
    }
  });

  it('write the tier and the limits of their organisations', async () => {
    await make(
      { name: 'people', kind: 'sessions', count: 1, firstUser: 30 },
      { name: 'rich', kind: 'sessions', count: 2, tier: 'enterprise', limits: { user: 300 } },
      {
        name: 'builds',
        kind: 'agents',
        agents: 2,
        tier: 'ci',
        limits: { key: 90, organisation: 900 },
      },
    );
    const settings = createLimitSettings({
      db,
      clock: systemClock,
      onError: observer.onError,
      design: exact,
    });
    await settings.start();
    const numbers = (organisation: number) =>
      Object.values(settings.limitsOf(String(organisation))).map(({ limit }) => limit);
    const { standard, enterprise, ci } = exact.tiers;
    expect(numbers(30)).toEqual(Object.values(standard));
    for (const rich of [31, 32])
      expect(numbers(rich)).toEqual(Object.values({ ...enterprise, user: 300 }));
    expect(numbers(33)).toEqual(Object.values({ ...ci, key: 90, organisation: 900 }));
    await settings.close();
  });

  it('may share an organisation, whose limits are those of all of them', async () => {
    const accounts = await make(
      { name: 'team', kind: 'sessions', count: 2, firstUser: 24, oneOrganisation: true },
      { name: 'guests', kind: 'keys', count: 1, organisationOf: 'team' },
    );
    expect(accounts.map(({ id }) => id)).toEqual(['24', '25', '26']);
    const rows = await db.query<{ organisation: string }>({
      text: `SELECT organisation_id AS organisation FROM users WHERE id = ANY($1::bigint[])
             UNION ALL SELECT organisation_id FROM sessions WHERE user_id = ANY($1::bigint[])`,
      values: [accounts.map(({ id }) => id)],
    });
    expect(rows.map(({ organisation }) => organisation)).toEqual(rows.map(() => '24'));
    expect(await keys().authenticate(tokenOf(accounts[2]!))).toMatchObject({
      ownerId: '26',
      organisationId: '24',
    });
  });

  it('may have cheap password hashes, which verify as any other', async () => {
    await make({
      name: 'returning',
      kind: 'sessions',
      count: 1,
      firstUser: 27,
      cheapPasswords: true,
    });
    const [row] = await db.query<{ hash: string }>({
      text: 'SELECT password_hash AS hash FROM users WHERE id = 27',
    });
    expect(row!.hash).toMatch(/^\$scrypt\$ln=10,/);
    const passwords = createPasswords({ design: design.sessions.password, random: systemRandom });
    expect(await passwords.verify(SEED_PASSWORD, row!.hash)).toBe(true);
    expect(await passwords.verify('another', row!.hash)).toBe(false);
    passwords.close();
  });

  it('have a client address, forged or not, and a user to log in as', async () => {
    const [person, stuffer, hopping] = await make(
      { name: 'people', kind: 'sessions', count: 1, firstUser: 20 },
      { name: 'stuffers', kind: 'sessions', count: 1, forged: true, victims: 'people' },
      { name: 'hoppers', kind: 'sessions', count: 1, addresses: 1, ipv6: true, forged: true },
    );
    expect(person!.headers['x-forwarded-for']).toBe('10.1.0.1');
    expect(person!.vars).toMatchObject({ forwardedFor: '10.1.0.1', victim: person!.vars.email });
    expect(stuffer!.headers['x-forwarded-for']).toBe('198.18.0.0, 10.2.0.1');
    expect(stuffer!.vars.victim).toBe(person!.vars.email);
    expect(stuffer!.vars.forwardedFor).toBe(stuffer!.headers['x-forwarded-for']);
    expect(hopping!.headers['x-forwarded-for']).toBe('198.18.0.0, fd00:3:0:1::1');
  });

  it('have several sessions, forged tokens and an administrator', async () => {
    const users = createUserStore({ db, clock: systemClock });
    const [boss, ...people] = await make(
      { name: 'boss', kind: 'sessions', count: 1, firstUser: 24, administrators: true },
      { name: 'people', kind: 'sessions', count: 2, sessionsPerUser: 2, administratedBy: 'boss' },
    );
    expect(await users.findMembership('24')).toMatchObject({ role: 'administrator' });
    expect(people.map(({ id }) => id)).toEqual(['25', '26', '25', '26']);
    expect(new Set(people.map(({ subject }) => subject)).size).toBe(4);
    for (const account of people) {
      const membership = { role: 'member', organisationId: '24' };
      expect(await users.findMembership(account.id)).toMatchObject(membership);
      expect(account.vars.administrator).toBe(tokenOf(boss!));
      expect(await openSessions().check(tokenOf(account))).toMatchObject({ id: account.subject });
      expect(account.vars.forged).not.toBe(tokenOf(account));
      expect(readToken(account.vars.forged!, design.sessions.region)!.id).toBe(account.subject);
      expect(await openSessions().check(account.vars.forged!)).toBeNull();
    }
  });

  it('end by themselves when they say, and what began long ago is on record', async () => {
    const ends = { fromMs: 400, toMs: 400 };
    const startedMs = Date.now();
    const [absolute, dormant, idle] = await make(
      { name: 'a', kind: 'sessions', count: 1, firstUser: 27, ending: { by: 'absolute', ...ends } },
      { name: 'd', kind: 'sessions', count: 1, ending: { by: 'idle', dormant: true, ...ends } },
      { name: 'i', kind: 'sessions', count: 1, ending: { by: 'idle', ...ends } },
    );
    const all = [absolute!, dormant!, idle!];
    expect(all.map(({ dormant: is }) => is === true)).toEqual([false, true, false]);
    expect(idle).not.toHaveProperty('endsAtMs');
    for (const { endsAtMs } of [absolute!, dormant!]) {
      expect(endsAtMs).toBeGreaterThanOrEqual(startedMs + 399);
      expect(endsAtMs).toBeLessThanOrEqual(Date.now() + 401);
    }
    const store = openSessions();
    const isLive = async (account: Account) => (await store.check(tokenOf(account))) !== null;
    if (Date.now() < dormant!.endsAtMs! - 200)
      expect(await Promise.all(all.map(isLive))).toEqual([true, true, true]);
    await delay(500);
    expect(await Promise.all(all.map(isLive))).toEqual([false, false, false]);
    const events = await db.query({
      text: `SELECT session_id AS id, reason, event FROM session_events WHERE request_id = 'seed:session' ORDER BY id`,
    });
    const expected = ['absolute', 'idle', 'idle'].map((reason, index) => ({
      id: all[index]!.subject,
      reason,
      event: 'created',
    }));
    expect(events).toHaveLength(expected.length);
    expect(events).toEqual(expect.arrayContaining(expected));
  });

  it('are written by the job beside accounts without a group, or the job fails with a reason', async () => {
    const run = async (params: Record<string, unknown>) => {
      const outFile = path.join(postgres.folder, 'accounts.json');
      const config = {
        name: 'accounts',
        seed: 7,
        stateDirectory: path.join(postgres.folder, 'state'),
        addresses: {
          database: { url: databaseUrl, namespace: schema },
          redis: { url: redisServer.url, namespace: 'test:' },
        },
        params: { design: design.name, heavyUsers: 0, outFile, ...params },
      };
      const child = fork(entry, {
        env: { ...process.env, PLATFORM_PROCESS: JSON.stringify(config) },
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      });
      let stderr = '';
      child.stderr!.on('data', (data) => (stderr += data));
      const [code] = await once(child, 'close');
      if (code !== 0) throw new Error(stderr);
      return JSON.parse(readFileSync(outFile, 'utf8')) as Account[];
    };
    const builds = { name: 'builds', kind: 'agents', agents: 3, firstUser: 36 };
    const [plain, ...agents] = await run({ count: 1, groups: [builds] });
    expect(plain).toMatchObject({ id: '1', vars: { session: plain!.subject } });
    expect(plain).not.toHaveProperty('group');
    const apiKeys = keys();
    for (const agent of agents)
      expect(await apiKeys.authenticate(tokenOf(agent))).toMatchObject({
        ownerId: '36',
        agents: 3,
      });
    expect(agents.map(({ group }) => group)).toEqual(['builds', 'builds', 'builds']);
    expect(await run({ groups: [builds] })).toHaveLength(3);
    await expect(run({ groups: [{ ...builds, firstUser: 41 }] })).rejects.toThrow(
      'params.groups[0] needs users 41 to 41; there are 40',
    );
    await expect(run({})).rejects.toThrow('params.count must be a whole number');
  });
});
