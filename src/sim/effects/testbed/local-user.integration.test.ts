/**
 * What another user of the machine gets from a run's stores: nothing. And what a process of the run gets: the roles that
 * its edge names.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EdgeSpec, Topology } from '../../topology.ts';
import { bedTopology, eventually, fixture, makeScratch, type Scratch } from './fixtures/bed.ts';
import { ownerAddress } from './logins.ts';
import { startTestbed, type Testbed } from './testbed.ts';

const NOBODY = 65_534;
const ROLES = ['reader', 'writer'];
let scratch: Scratch;
let testbed: Testbed;

/** A primary with a standby, one Redis and a cluster. */
function topology(): Topology {
  const { nodes, edges, jobs } = bedTopology({ proxied: ['gateway->postgres', 'gateway->redis'] });
  const withRoles = (edge: EdgeSpec): EdgeSpec =>
    edge.as === 'database' ? { ...edge, logins: ROLES } : edge;
  return {
    nodes: {
      ...nodes,
      standby: { kind: 'postgres', standbyOf: 'postgres' },
      shards: { kind: 'redis', mode: 'cluster' },
    },
    edges: edges.map(withRoles),
    jobs,
  };
}

const node = (name: string) => testbed.node(name);
const storeNames = ['postgres', 'standby', 'redis', 'shards'];
const addresses = () =>
  storeNames.flatMap((name) => [...node(name).address.urls, ownerAddress(node(name)).url]);
const portsOf = (...names: string[]) =>
  names.flatMap((name) => node(name).address.urls.map((url) => Number(new URL(url).port)));

interface Config {
  readonly addresses: {
    readonly database: { url: string; logins: Record<string, string> };
    readonly redis: { url: string };
  };
}
const readConfig = async (): Promise<Config> =>
  (await (await fetch(testbed.targets[0]!.url)).json()) as Config;

async function passwords(): Promise<string[]> {
  const { database, redis } = (await readConfig()).addresses;
  const urls = [...addresses(), database.url, ...Object.values(database.logins), redis.url];
  return [...new Set(urls.map((url) => new URL(url).password))];
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

async function failure(connectionString: string): Promise<string> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.end();
    return 'connected';
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).message;
  }
}

const without = (url: string, password: string) => {
  const changed = new URL(url);
  changed.password = password;
  return changed.toString();
};

beforeAll(async () => {
  scratch = await makeScratch();
  testbed = await startTestbed({
    runId: 'walls',
    logFolder: scratch.logFolder,
    topology: topology(),
    seed: 7,
    cores: null,
    onNote: () => {},
    env: scratch.env,
  });
});
afterAll(async () => {
  await testbed?.stop();
  await scratch?.remove();
});

test('every password of a run is of 256 bits, its own, and in no argument of any process', async () => {
  const found = await passwords();
  // Of the superuser, the owner, two roles, Redis and the cluster.
  expect(found).toHaveLength(6);
  for (const password of found) expect(password).toMatch(/^[\w-]{43}$/);
  const commandLines = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && existsSync(`/proc/${pid}/cmdline`))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return ''; // It has ended.
      }
    });
  expect(commandLines.join()).toContain('passfile=');
  for (const password of found) expect(commandLines.join()).not.toContain(password);
});

test('no log and no file that another user can read holds a password', async () => {
  const found = await passwords();
  const logs = filesBelow(scratch.logFolder);
  expect(logs.length).toBeGreaterThan(3);
  for (const log of logs) {
    const text = readFileSync(log, 'latin1');
    for (const password of found)
      expect({ log, has: text.includes(password) }).toEqual({ log, has: false });
  }
  const holders = filesBelow(testbed.lease.folder).filter((file) => {
    // The data directories are closed, and hold verifiers.
    if (statSync(file).size > 100_000) return false;
    const text = readFileSync(file, 'latin1');
    return found.some((password) => text.includes(password));
  });
  expect(holders.map((file) => path.basename(file)).sort()).toEqual(
    [
      'pgpass',
      'postgres.url',
      'redis.conf',
      'redis.url',
      ...[1, 2, 3, 4, 5, 6].map((number) => `shards.${number}.conf`),
      'shards.url',
      'standby.url',
    ].sort(),
  );
  for (const file of holders) {
    expect({ file, mode: statSync(file).mode & 0o777 }).toEqual({ file, mode: 0o600 });
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
  }
});

test('nobody is let in without the password, or with another one', async () => {
  for (const name of ['postgres', 'standby'])
    for (const url of [node(name).address.url, ownerAddress(node(name)).url]) {
      expect(await failure(url)).toBe('connected');
      expect(await failure(without(url, 'x'.repeat(43)))).toBe('28P01');
      expect(await failure(without(url, ''))).toMatch(/password/i);
    }
});

test.runIf(process.getuid?.() === 0)(
  'another local user can use no store and read no secret of the run',
  async () => {
    const { folder } = testbed.lease;
    const templates = path.join(scratch.cache, 'templates');
    const [template] = readdirSync(templates).filter((name) => name.startsWith('pg'));
    const files = [
      path.join(folder, 'lease.json'),
      path.join(folder, 'secrets', 'postgres.url'),
      path.join(folder, 'secrets-standby', 'pgpass'),
      path.join(folder, 'redis-redis', 'redis.conf'),
      path.join(folder, 'work', 'accounts.json'),
      path.join(templates, template!, 'data.password'),
      path.join(templates, template!, 'data', 'PG_VERSION'),
      path.join(folder, 'data-postgres', 'global', 'pg_control'),
    ];
    for (const file of files)
      expect({ file, exists: existsSync(file) }).toEqual({ file, exists: true });
    const pids = Object.values(testbed.pids).flatMap((read) => read());
    const request = {
      postgresPorts: portsOf('postgres', 'standby'),
      redisPorts: portsOf('redis', 'shards'),
      roles: ['postgres', 'platform_owner', ...ROLES],
      files: [...files, ...pids.map((pid) => `/proc/${pid}/environ`)],
      folders: [testbed.stateDirectory, path.join(folder, 'secrets'), path.join(folder, 'work')],
    };
    const argv = ['--input-type=module', '-e', readFileSync(fixture('intruder.mjs'), 'utf8')];
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...argv, '--', JSON.stringify(request)],
      { uid: NOBODY, gid: NOBODY, cwd: '/', env: {}, timeout: 30_000, killSignal: 'SIGKILL' },
    );
    expect(JSON.parse(stdout)).toEqual({
      uid: NOBODY,
      postgres: [10],
      redis: ['-NOAUTH'],
      files: [],
      folders: [],
    });
  },
);

test('a process gets the roles of its edge and no more, a job the owner, through the proxy too', async () => {
  const { database } = (await readConfig()).addresses;
  expect(new URL(database.url).username).toBe('reader');
  expect(Object.keys(database.logins)).toEqual(ROLES);
  for (const [role, url] of Object.entries(database.logins)) {
    expect(new URL(url).port).not.toBe(new URL(node('postgres').address.url).port);
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {}); // The testbed stops after a failed test.
    await client.connect();
    const { rows } = await client.query('SELECT current_user, session_user');
    expect(rows).toEqual([{ current_user: role, session_user: role }]);
    for (const text of [
      'SELECT * FROM platform.facts',
      'CREATE TABLE platform.mine ()',
      'CREATE TEMPORARY TABLE mine ()',
      'SET ROLE platform_owner',
      'SET ROLE postgres',
      `SELECT pg_read_file('PG_VERSION')`,
      'SELECT rolpassword FROM pg_authid',
    ])
      await expect(client.query(text), text).rejects.toThrow(/permission denied/);
    await client.end();
  }
  const owner = new pg.Client({ connectionString: ownerAddress(node('postgres')).url });
  await owner.connect();
  const { rows } = await owner.query(
    'SELECT rolsuper OR rolcreaterole AS more FROM pg_roles WHERE rolname = current_user',
  );
  expect(rows).toEqual([{ more: false }]);
  await owner.query('GRANT USAGE ON SCHEMA platform TO reader; GRANT SELECT ON facts TO reader');
  await owner.end();
  // The standby has the same roles and rights.
  const standby = new URL(node('standby').address.url);
  const reader = new URL(database.logins.reader!);
  standby.username = reader.username;
  standby.password = reader.password;
  await eventually('the reader reads on the standby', async () => {
    const client = new pg.Client({ connectionString: standby.toString() });
    await client.connect();
    try {
      return (await client.query('SELECT count(*) FROM facts')).rowCount === 1;
    } catch {
      return false; // Not replayed yet.
    } finally {
      await client.end();
    }
  });
});

test('addresses for the operator are printed without the password, which is in a file', async () => {
  const { describeAddress } = await import('./published-addresses.ts');
  for (const name of storeNames) {
    const text = describeAddress(testbed.lease, node(name));
    expect(text).toContain(':***@127.0.0.1');
    const [, file] = / {2}password in (.*)$/.exec(text)!;
    expect(readFileSync(file!, 'utf8')).toBe(node(name).address.url);
  }
});
