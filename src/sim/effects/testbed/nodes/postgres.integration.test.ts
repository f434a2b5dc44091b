// A primary and its standby, both real; one bed for the file, as each test leaves them as it found them.
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PostgresSpec } from '../../../topology.ts';
import { isPortOpen } from '../../process/free-port.ts';
import { processesIn } from '../../process/process-table.ts';
import { eventually, fixture } from '../fixtures/bed.ts';
import { type NodeBed, openNodeBed } from '../fixtures/node-context.ts';
import type { RunningNode } from '../node.ts';
import { withPostgres } from '../stores/postgres-client.ts';

const LIMIT_MS = 10_000;
const settings = { shared_buffers: '16MB' };
const retargeted: [string, string][] = [];
let bed: NodeBed;
let primary: RunningNode;
let standby: RunningNode;
let startMs: number;

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  return await withPostgres(url, LIMIT_MS, async (client) => (await client.query(text)).rows);
}

const counter = async (node: RunningNode, id: string) =>
  (await node.readWork()).find((one) => one.id === id)?.value;

beforeAll(async () => {
  bed = await openNodeBed(
    {
      'eu.postgres': { kind: 'postgres', region: 'eu', settings },
      replica: { kind: 'postgres', standbyOf: 'eu.postgres' },
    },
    { retarget: async (node, url) => void retargeted.push([node, url]) },
  );
  const from = performance.now();
  primary = await bed.start('eu.postgres');
  standby = await bed.start('replica');
  startMs = performance.now() - from;
});
afterAll(() => bed?.stop());

test('primary and standby report their versions and roles', async () => {
  expect(startMs).toBeLessThan(60_000);
  expect(primary).toMatchObject({ name: 'eu.postgres', kind: 'postgres', region: 'eu' });
  expect(primary.version).toMatch(/^PostgreSQL \d+\.\d+$/);
  expect(primary.members.map(({ name }) => name)).toEqual(['eu.postgres']);
  expect(primary.address.namespace).toBe('platform');
  expect(primary.address.urls).toEqual([primary.address.url]);
  expect(primary.pids!().length).toBeGreaterThan(1);
  expect(Object.keys(primary.capabilities).sort()).toEqual(['failover', 'signalBackend']);
  expect(Object.keys(standby.capabilities).sort()).toEqual(['replication', 'signalBackend']);
  expect(await primary.members[0]!.probe()).toBe(true);
  expect(await standby.members[0]!.probe()).toBe(true);
});

test('the standby replays what the primary writes, and refuses writes', async () => {
  await query(primary.address.url, 'CREATE TABLE seen AS SELECT 1 AS id');
  await eventually('the lag is 0', async () => {
    const { bytes } = await standby.capabilities.replication!.lag();
    return bytes === 0;
  });
  expect(await query(standby.address.url, 'SELECT id FROM seen')).toEqual([{ id: 1 }]);
  await expect(query(standby.address.url, 'INSERT INTO seen VALUES (2)')).rejects.toThrow(
    'read-only',
  );
  expect(await standby.capabilities.replication!.lag()).toEqual({ bytes: 0, replayUs: 0 });
});

test('a delayed replay shows in the lag until the delay is reset', async () => {
  const { lag, delay } = standby.capabilities.replication!;
  await delay(30_000);
  await query(primary.address.url, 'INSERT INTO seen VALUES (2)');
  await eventually('the lag has bytes', async () => (await lag()).bytes > 0);
  expect((await lag()).replayUs).toBeGreaterThan(0);
  expect(await query(standby.address.url, 'SELECT id FROM seen')).toHaveLength(1);
  await delay(0);
  await eventually('the lag is 0', async () => (await lag()).bytes === 0);
  expect(await query(standby.address.url, 'SELECT id FROM seen')).toHaveLength(2);
  await expect(delay(-1)).rejects.toThrow(RangeError);
});

test('work is counted: statements, WAL written by one and received by the other', async () => {
  const before = await Promise.all([counter(primary, 'statements'), counter(primary, 'walBytes')]);
  for (let i = 0; i < 5; i += 1) await query(primary.address.url, 'INSERT INTO seen VALUES (3)');
  const after = await Promise.all([counter(primary, 'statements'), counter(primary, 'walBytes')]);
  expect(after[0]! - before[0]!).toBeGreaterThanOrEqual(5);
  expect(after[1]! - before[1]!).toBeGreaterThan(0);
  const onStandby = await standby.readWork();
  expect(onStandby.map(({ id }) => id)).toEqual(['statements', 'walReceivedBytes']);
  expect(onStandby[1]!.value).toBeGreaterThan(0);
});

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'after %s it restarts on its port and data',
  async (signal) => {
    const [member] = primary.members;
    const pid = member!.pid();
    expect(await member!.signal(signal)).toBe(`${signal} to eu.postgres, process ${pid}`);
    expect(member!.pids()).toEqual([]);
    expect(await member!.probe()).toBe('eu.postgres is not running');
    expect((await primary.readWork()).map(({ value }) => value)).toEqual([null, null]);
    await member!.restart();
    expect(member!.pid()).not.toBe(pid);
    expect((await query(primary.address.url, 'SELECT id FROM seen')).length).toBeGreaterThan(1);
    await eventually('it streams again', async () => (await standby.members[0]!.probe()) === true);
  },
);

test('one backend is killed, and a paused one is resumed with the server', async () => {
  const client = withPostgres(primary.address.url, LIMIT_MS, (own) =>
    own.query('SELECT pg_sleep(9)'),
  );
  const lost = expect(client).rejects.toThrow(/terminat/);
  const hit = await primary.capabilities.signalBackend!('SIGTERM');
  expect(hit).toMatch(/^SIGTERM to (busy|idle) backend \d+$/);
  await lost;
  expect(await primary.capabilities.signalBackend!('SIGCONT')).toContain('eu.postgres');
});

test('a failover swaps the roles, and its undo restarts the killed server as a standby', async () => {
  const failover = primary.capabilities.failover!;
  const urls = [primary.address.url, standby.address.url];
  const port = new URL(urls[0]!).port;
  const rows = (await query(urls[0]!, 'SELECT id FROM seen')).length;

  expect(await failover.apply()).toMatch(/^SIGKILL to eu\.postgres, process \d+; replica promoted/);
  expect(retargeted).toEqual([['eu.postgres', urls[1]]]);
  expect(primary.address.url).toBe(urls[1]);
  await query(urls[1]!, 'INSERT INTO seen VALUES (4)');
  expect(await failover.probe()).toBe('eu.postgres is not running');

  await failover.undo();
  expect(await failover.probe()).toBe(true);
  await failover.undo();
  expect(await failover.probe()).toBe(true);
  expect(retargeted).toHaveLength(1);
  expect(new URL(primary.members[0]!.url).port).toBe(port);
  await eventually('the former primary has the new row', async () => {
    return (await query(urls[0]!, 'SELECT id FROM seen')).length === rows + 1;
  });

  // And back again: each name means its process.
  expect(await failover.apply()).toMatch(/^SIGKILL to replica, .* eu\.postgres promoted/);
  expect(primary.address.url).toBe(urls[0]);
  await failover.undo();
  expect(await failover.probe()).toBe(true);
  expect(retargeted.map(([, url]) => url)).toEqual([urls[1], urls[0]]);
});

test('a server rejoins as a standby while the new primary takes writes', async () => {
  const failover = primary.capabilities.failover!;
  await failover.apply();
  const { url } = primary.address;
  await query(url, 'CREATE TABLE written (id int)');
  const written = new AbortController();
  const writing = withPostgres(url, LIMIT_MS, async (client) => {
    let rows = 0;
    while (!written.signal.aborted) {
      // Files come and go while they are copied.
      await client.query('CREATE TABLE passing AS SELECT generate_series(1, 5000) AS id');
      await client.query('DROP TABLE passing');
      await client.query('INSERT INTO written VALUES (1)');
      rows += 1;
    }
    return rows;
  });
  await failover.undo();
  written.abort();
  const rows = await writing;
  expect(rows).toBeGreaterThan(0);
  const counted = `SELECT count(*)::int AS rows FROM platform.written`;
  await eventually('every row is there', async () => {
    return (await query(primary.members[0]!.url, counted))[0]!.rows === rows;
  });
  await failover.apply();
  await failover.undo();
});

test('a failover without a running standby is rejected, and its undo starts both', async () => {
  const failover = primary.capabilities.failover!;
  await standby.members[0]!.signal('SIGKILL');
  await expect(failover.apply()).rejects.toThrow('no replica of eu.postgres is up');
  await failover.undo();
  expect(await failover.probe()).toBe(true);
});

test('DATABASE_URL replaces a replaceable node: own schema, template steps, no process', async () => {
  const step = { name: 'template', module: fixture('template.mjs'), params: { rows: 3 } };
  const spec: PostgresSpec = { kind: 'postgres', settings, template: [step], replaceable: true };
  const env = { ...process.env, DATABASE_URL: primary.members[0]!.url };
  const other = await openNodeBed({ store: spec }, { env, seed: 9 });
  const node = await other.start('store');
  expect(node.members).toEqual([]);
  expect(node.capabilities).toEqual({});
  expect(other.notes).toEqual([
    'DATABASE_URL keeps its own settings of shared_buffers',
    'DATABASE_URL: the data is built anew in this run',
  ]);
  expect(node.address.namespace).toMatch(/^platform_node_/);
  expect(await query(node.address.url, 'SELECT DISTINCT seed FROM facts')).toEqual([{ seed: 9 }]);
  if (process.platform === 'linux') expect(node.pids!()).toContain(primary.members[0]!.pid());
  expect(await counter(node, 'walBytes')).toBeGreaterThan(0);
  await other.stop();
  await expect(query(node.address.url, 'SELECT * FROM facts')).rejects.toThrow('does not exist');
});

test('a node that is not replaceable is started in spite of DATABASE_URL', async () => {
  await using other = await openNodeBed(
    { store: { kind: 'postgres', settings } },
    { env: { ...process.env, DATABASE_URL: 'postgres://nowhere.invalid/x' } },
  );
  const node = await other.start('store');
  expect(node.members).toHaveLength(1);
  expect(other.notes).toContain(
    'DATABASE_URL does not replace store: the scenario does not mark it as replaceable',
  );
});

/** Process ids, from the system's table of shared memory segments. */
function sharedMemoryCreators(): string[] {
  if (process.platform !== 'linux') return [];
  const [, ...rows] = readFileSync('/proc/sysvipc/shm', 'utf8').trim().split('\n');
  return rows.map((row) => row.trim().split(/\s+/)[4]!);
}

// Last: it stops the bed.
test('a stop leaves no process, port, folder or shared memory, also after a failover', async () => {
  const pids = [primary, standby].map(({ members }) => String(members[0]!.pid()));
  const [dynamic] = await query(primary.address.url, 'SHOW dynamic_shared_memory_type');
  expect(dynamic).toEqual({ dynamic_shared_memory_type: 'mmap' });
  await primary.capabilities.failover!.apply();
  const ports = [primary, standby].map(({ members }) => Number(new URL(members[0]!.url).port));
  const { folder } = bed.context.lease;
  await bed.stop();
  expect(existsSync(folder)).toBe(false);
  expect(processesIn(folder)).toEqual([]);
  expect(await Promise.all(ports.map((port) => isPortOpen(port)))).toEqual([false, false]);
  expect(sharedMemoryCreators().filter((pid) => pids.includes(pid))).toEqual([]);
});
