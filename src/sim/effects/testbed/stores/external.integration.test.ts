import path from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EnvironmentError } from '../../../errors.ts';
import { dropKeys, dropSchema } from '../../process/external-cleanup.ts';
import { redactAddress } from '../addresses/address-text.ts';
import { bedTopology, eventually, makeScratch, type Scratch } from '../fixtures/bed.ts';
import { startOwner } from '../fixtures/owner.ts';
import { startTestbed, type Testbed } from '../testbed.ts';

// The "external" servers are those of another testbed: real, and not the run's own.
let scratch: Scratch;
let host: Testbed;
let databaseUrl: string;
let env: NodeJS.ProcessEnv;

const run = (runId: string, more: NodeJS.ProcessEnv = {}) =>
  startTestbed({
    runId,
    logFolder: path.join(scratch.root, 'report'),
    topology: bedTopology(),
    seed: 9,
    cores: null,
    onNote: () => {},
    env: { ...env, ...more },
  });

async function schemas(): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query(
    `SELECT nspname FROM pg_namespace WHERE nspname LIKE 'platform\\_%' ORDER BY 1`,
  );
  await client.end();
  return rows.map((row) => row.nspname);
}

async function keys(): Promise<string[]> {
  const redis = new Redis(host.node('redis').address.url);
  const found = await redis.keys('*');
  redis.disconnect();
  return found.sort();
}

beforeAll(async () => {
  scratch = await makeScratch();
  host = await startTestbed({
    runId: 'host',
    logFolder: scratch.logFolder,
    topology: bedTopology(),
    seed: 7,
    cores: null,
    onNote: () => {},
    env: scratch.env,
  });
  databaseUrl = host.node('postgres').address.url.split('?')[0]!;
  env = { ...scratch.env, DATABASE_URL: databaseUrl, REDIS_URL: host.node('redis').address.url };
});
afterAll(async () => {
  await host?.stop();
  await scratch.remove();
});

test('uses its own schema and keys in external servers, and drops them', async () => {
  const testbed = await run('Ext-1');
  expect(testbed.node('postgres').address.namespace).toBe('platform_ext_1');
  expect(await schemas()).toEqual(['platform_ext_1']);
  expect(await keys()).toEqual(['ps:Ext-1:session:1', 'ps:host:session:1']);
  const client = new pg.Client({ connectionString: testbed.node('postgres').address.url });
  await client.connect();
  const { rows } = await client.query('SELECT count(*)::int AS n, max(seed) AS seed FROM facts');
  expect(rows).toEqual([{ n: 1_000, seed: 9 }]);
  // A session left open must not keep the schema alive.
  await testbed.stop();
  await client.end();
  expect(await schemas()).toEqual([]);
  expect(await keys()).toEqual(['ps:host:session:1']);
});

test.runIf(process.platform === 'linux')('finds the processes of a local server', async () => {
  const testbed = await run('ext-2');
  const found = testbed.pids.postgres!();
  await testbed.stop();
  expect(found[0]).toBe(host.pids.postgres!()[0]);
  expect(found.length).toBeGreaterThan(1);
});

test('combines an external database with a Redis of the run', async () => {
  const testbed = await run('ext-3', { REDIS_URL: '' });
  expect(testbed.node('redis').address.url).not.toBe(host.node('redis').address.url);
  await testbed.stop();
  expect(await schemas()).toEqual([]);
});

test('drops the schema of a run that fails to start', async () => {
  const topology = bedTopology({ service: { crash: true } });
  const start = startTestbed({
    runId: 'ext-4',
    logFolder: scratch.logFolder,
    topology,
    seed: 1,
    cores: null,
    onNote: () => {},
    env,
  });
  await expect(start).rejects.toThrow('told to crash');
  expect(await schemas()).toEqual([]);
  expect(await keys()).toEqual(['ps:host:session:1']);
});

test('kill -9 of the run: the reaper drops schema and keys', async () => {
  const { owner } = await startOwner(scratch, 'ext-6', { env });
  expect(await schemas()).toEqual(['platform_ext_6']);
  owner.kill('SIGKILL');
  await eventually('the schema is gone', async () => (await schemas()).length === 0);
  await eventually('the keys are gone', async () => (await keys()).length === 1);
});

/** Nobody listens there: a port that was free a moment ago may be another test's by now. */
const DEAD_PORT = 1;
let refused = 0;

test.each([
  ['DATABASE_URL', `postgres://me:hunter2@127.0.0.1:${DEAD_PORT}/app`],
  ['DATABASE_URL', 'postgres://me:hunter2@no-such-host.invalid/app'],
  ['DATABASE_URL', 'mysql://me:hunter2@127.0.0.1/app'],
  ['REDIS_URL', `redis://:hunter2@127.0.0.1:${DEAD_PORT}`],
])('explains an unusable %s without its password', async (name, value) => {
  // A name of its own: the folder of the one before may still be being removed.
  refused += 1;
  const error = await run(`ext-5-${refused}`, { [name]: value }).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(EnvironmentError);
  const lines = error.toLines().split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[0]).toBe(`cannot use ${name} ${redactAddress(value)}`);
  expect(lines[1]).toMatch(/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|starts with postgres:/);
  expect(lines[2]).toContain(`next: unset ${name}`);
  expect(error.toLines()).not.toContain('hunter2');
});

test.each(['public', 'platform_x"; DROP SCHEMA public; --', 'pg_catalog'])(
  'refuses to drop %s',
  async (schema) => {
    await expect(dropSchema({ url: databaseUrl, schema })).rejects.toThrow('refusing');
  },
);

test.each(['', '*', 'ps:*:', 'session:'])('refuses to delete keys below %j', async (prefix) => {
  await expect(dropKeys({ url: host.node('redis').address.url, prefix })).rejects.toThrow(
    'refusing',
  );
});
