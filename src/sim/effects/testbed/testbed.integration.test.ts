import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EnvironmentError } from '../../errors.ts';
import { ChildFailure } from '../process/child-process.ts';
import { isPortOpen } from '../process/free-port.ts';
import { machinePinPlan } from '../process/pin-machine.ts';
import { startTimeOf } from '../process/process-table.ts';
import { bedTopology, eventually, makeScratch, type Scratch } from './fixtures/bed.ts';
import { ownerAddress } from './logins.ts';
import { startTestbed, type TestbedOptions } from './testbed.ts';

let scratch: Scratch;
const notes: string[] = [];
const options = (runId: string, more: Partial<TestbedOptions> = {}): TestbedOptions => ({
  runId,
  logFolder: scratch.logFolder,
  topology: bedTopology(),
  seed: 7,
  cores: null,
  onNote: (note) => notes.push(note),
  env: scratch.env,
  ...more,
});
const runs = () => readdirSync(path.join(scratch.cache, 'runs'));

async function query(url: string, text: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return Object.values((await client.query(text)).rows[0])[0];
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  scratch = await makeScratch();
});
afterAll(() => scratch.remove());

test('starts everything on real servers and leaves nothing', async () => {
  const testbed = await startTestbed(options('whole', { cores: machinePinPlan() }));
  expect(await query(testbed.node('postgres').address.url, 'SELECT count(*)::int FROM facts')).toBe(
    1_000,
  );
  expect(await query(testbed.node('postgres').address.url, 'SELECT max(seed) FROM facts')).toBe(7);
  expect(await query(testbed.node('postgres').address.url, 'SHOW fsync')).toBe('on');
  expect(await query(testbed.node('postgres').address.url, 'SHOW shared_buffers')).toBe('16MB');
  expect(
    await query(
      testbed.node('postgres').address.url,
      'SELECT count(*) >= 0 FROM pg_stat_statements',
    ),
  ).toBe(true);
  expect(testbed.node('postgres').version).toMatch(/^PostgreSQL 18\./);
  expect(testbed.node('redis').version).toMatch(/^(Redis|Valkey) \d/);
  const config = await (await fetch(testbed.targets[0]!.url)).json();
  expect(config).toMatchObject({
    name: 'gateway',
    addresses: {
      database: { url: ownerAddress(testbed.node('postgres')).url, namespace: 'platform' },
      redis: { url: testbed.node('redis').address.url, namespace: 'ps:whole:' },
    },
    seed: 7,
  });
  expect(JSON.parse(readFileSync(testbed.accountsFile, 'utf8'))).toHaveLength(1);
  const pids = Object.values(testbed.pids).flatMap((read) => read());
  expect(testbed.pids.postgres!().length).toBeGreaterThan(3);
  if (process.getuid?.() === 0) {
    expect(statSync(`/proc/${testbed.pids.postgres!()[0]}`).uid).not.toBe(0);
  }
  const ports = [
    testbed.node('postgres').address.url,
    testbed.node('redis').address.url,
    testbed.targets[0]!.url,
  ].map((url) => Number(new URL(url).port));

  await testbed.stop();
  await testbed.stop();
  expect(pids.filter((pid) => startTimeOf(pid) !== null)).toEqual([]);
  expect(await Promise.all(ports.map((port) => isPortOpen(port)))).toEqual([false, false, false]);
  expect(runs()).toEqual([]);
  expect(existsSync(path.join(scratch.logFolder, 'postgres.log'))).toBe(true);
});

test('the state directory survives a restart and is removed with the testbed', async () => {
  const testbed = await startTestbed(options('stateful'));
  const { stateDirectory } = testbed;
  const readConfig = async () => await (await fetch(testbed.targets[0]!.url)).json();
  try {
    expect(statSync(stateDirectory).mode & 0o777).toBe(0o700);
    expect(await readConfig()).toMatchObject({ stateDirectory });
    writeFileSync(path.join(stateDirectory, 'kept'), 'yes');
    await testbed.members('gateway')[0]!.signal('SIGKILL');
    await testbed.members('gateway')[0]!.restart();
    expect(await readConfig()).toMatchObject({ stateDirectory });
    expect(readFileSync(path.join(stateDirectory, 'kept'), 'utf8')).toBe('yes');
  } finally {
    await testbed.stop();
  }
  expect(existsSync(stateDirectory)).toBe(false);
});

test('builds a template once', async () => {
  notes.length = 0;
  const topology = bedTopology({ template: { rows: 5 } });
  for (const runId of ['first', 'second']) {
    const testbed = await startTestbed(options(runId, { topology }));
    expect(
      await query(testbed.node('postgres').address.url, 'SELECT count(*)::int FROM facts'),
    ).toBe(5);
    await query(testbed.node('postgres').address.url, 'DELETE FROM facts RETURNING id');
    await testbed.stop();
  }
  expect(notes.filter((note) => note.includes('building'))).toHaveLength(1);
});

test('runs a one-shot job, and reports why one failed', async () => {
  const testbed = await startTestbed(options('steps'));
  try {
    const outcome = testbed.runJob('facts', { crash: true });
    await expect(outcome).rejects.toThrow(/facts failed \(exit status 7\).*told to crash/s);
  } finally {
    await testbed.stop();
  }
});

test('stops what it started when the service does not start', async () => {
  const topology = bedTopology({ service: { crash: true } });
  const start = startTestbed(options('crashing', { topology }));
  await expect(start).rejects.toThrow(ChildFailure);
  await expect(start).rejects.toThrow(/exit status 7.*told to crash/s);
  expect(runs()).toEqual([]);
});

test('kills a service that ignores SIGTERM', async () => {
  const testbed = await startTestbed(
    options('stubborn', { topology: bedTopology({ service: { stubborn: true } }) }),
  );
  await testbed.stop();
  expect(startTimeOf(testbed.members('gateway')[0]!.pid())).toBeNull();
});

test('reports an unexpected exit, and still stops cleanly', async () => {
  const deaths: string[] = [];
  const testbed = await startTestbed(
    options('dying', { onUnexpectedExit: ({ name, status }) => deaths.push(`${name} ${status}`) }),
  );
  process.kill(testbed.members('gateway')[0]!.pid(), 'SIGKILL');
  await eventually('death notice', () => deaths.length > 0);
  await testbed.stop();
  expect(deaths).toEqual(['gateway killed by SIGKILL']);
  expect(runs()).toEqual([]);
});

test.each([
  ['at once', 0],
  ['while a template is built', 900],
  ['while the service starts', 2_500],
])('an abort %s unwinds everything', async (_, afterMs) => {
  const abort = new AbortController();
  const topology = bedTopology({
    template: { hang: afterMs === 900, rows: 3 },
    service: { mute: true },
  });
  const start = startTestbed(options(`aborted-${afterMs}`, { topology, signal: abort.signal }));
  setTimeout(() => abort.abort(new Error('Ctrl-C')), afterMs);
  await expect(start).rejects.toThrow('Ctrl-C');
  expect(runs()).toEqual([]);
  const templates = readdirSync(path.join(scratch.cache, 'templates'));
  expect(templates.filter((name) => /new|lock/.test(name))).toEqual([]);
});

test('names the next command when Redis is missing', async () => {
  const env = { ...scratch.env, PATH: '' };
  const error = await startTestbed(options('no-redis', { env })).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(EnvironmentError);
  expect(error.toLines()).toMatch(/^Redis is not installed\n.*\nnext: platform setup$/);
  expect(runs()).toEqual([]);
});

test('refuses a run id that is in use', async () => {
  const testbed = await startTestbed(options('twice'));
  try {
    await expect(startTestbed(options('twice'))).rejects.toThrow('run id twice is in use');
    expect(startTimeOf(testbed.members('gateway')[0]!.pid())).not.toBeNull();
  } finally {
    await testbed.stop();
  }
});
