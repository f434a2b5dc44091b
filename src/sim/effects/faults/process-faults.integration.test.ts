import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultSpec } from '../../fault-plan.ts';
import { isPortOpen } from '../process/free-port.ts';
import { isPaused, startTimeOf } from '../process/process-table.ts';
import { bedTopology, makeScratch, type Scratch } from '../testbed/fixtures/bed.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';
import { createFault } from './fault-kinds.ts';

let scratch: Scratch;
let testbed: Testbed;
const deaths: string[] = [];
beforeAll(async () => {
  scratch = await makeScratch();
  testbed = await start('faults');
});
afterAll(async () => {
  await testbed.stop();
  await scratch.remove();
});

const start = (runId: string) =>
  startTestbed({
    runId,
    logFolder: scratch.logFolder,
    topology: bedTopology({ instances: 3 }),
    seed: 7,
    cores: null,
    onNote: () => {},
    onDeath: ({ name }) => deaths.push(name),
    env: scratch.env,
  });
const leased = (): number[] => {
  const lease = readFileSync(path.join(testbed.lease.folder, 'lease.json'), 'utf8');
  return JSON.parse(lease).children.map((child: { pid: number }) => child.pid);
};
const pidOf = (name: string): number => testbed.members(name)[0]!.pid();
const fault = (spec: FaultSpec) => createFault(spec, testbed);
const kill = (target: string, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL') =>
  fault({ kind: 'kill', target, signal });
const killBackend = (signal?: 'SIGTERM') =>
  fault({ kind: 'kill-backend', target: 'postgres', ...(signal && { signal }) });

async function sql<T>(text: string): Promise<T> {
  const client = new pg.Client({ connectionString: testbed.node('postgres').address.url });
  await client.connect();
  try {
    return Object.values((await client.query(text)).rows[0] ?? {})[0] as T;
  } finally {
    await client.end();
  }
}

test('starts the service several times over, each with its name and a port of its own', async () => {
  expect(testbed.targets.map(({ name }) => name)).toEqual(['gateway.1', 'gateway.2', 'gateway.3']);
  for (const { name, url } of testbed.targets) {
    const config = await (await fetch(url)).json();
    expect(config).toMatchObject({ name, params: { instance: name } });
    expect(config.params.port).toBe(Number(new URL(url).port));
  }
  expect(testbed.pids.gateway!()).toEqual(testbed.members('gateway').map((member) => member.pid()));
});

test.each([
  ['gateway.2', 'SIGKILL'],
  ['gateway.2', 'SIGTERM'],
  ['redis', 'SIGKILL'],
  ['redis', 'SIGTERM'],
  ['postgres', 'SIGKILL'],
  ['postgres', 'SIGTERM'],
] as const)('ends %s by %s, and brings it back at the same address', async (target, signal) => {
  const before = pidOf(target);
  const one = kill(target, signal);
  expect(await one.apply()).toBe(`${signal} to ${target}, process ${before}`);
  expect(startTimeOf(before)).toBeNull();
  expect(await one.probe()).toBe(`${target} is not running`);
  expect(await testbed.members(target)[0]!.probe()).not.toBe(true);
  await one.undo();
  const after = pidOf(target);
  expect(after).not.toBe(before);
  expect(await one.probe()).toBe(true);
  await one.undo();
  expect(pidOf(target)).toBe(after);
  expect(leased()).toContain(after);
  expect(leased()).not.toContain(before);
  expect(deaths).toEqual([]);
});

test('one gateway alone is gone while the others answer', async () => {
  const one = kill('gateway.3');
  await one.apply();
  const open = await Promise.all(
    testbed.targets.map(({ url }) => isPortOpen(Number(new URL(url).port))),
  );
  expect(open).toEqual([true, true, false]);
  await one.undo();
  expect((await (await fetch(testbed.targets[2]!.url)).json()).name).toBe('gateway.3');
});

test('Redis comes back empty', async () => {
  const redis = new Redis(testbed.node('redis').address.url, { retryStrategy: () => 20 });
  redis.on('error', () => {});
  try {
    await redis.set('canary', '1');
    const one = kill('redis');
    await one.apply();
    await one.undo();
    expect(await redis.dbsize()).toBe(0);
  } finally {
    redis.disconnect();
  }
});

test('PostgreSQL keeps what it has committed, and not one of its processes survives the kill', async () => {
  await sql('CREATE TABLE kept (id int)');
  await sql('INSERT INTO kept SELECT generate_series(1, 500)');
  const family = testbed.pids.postgres!();
  expect(family.length).toBeGreaterThan(3);
  const one = kill('postgres');
  await one.apply();
  expect(family.filter((pid) => startTimeOf(pid) !== null)).toEqual([]);
  await one.undo();
  expect(await sql('SELECT count(*)::int FROM kept')).toBe(500);
});

test('a killed backend takes the busy one, and PostgreSQL recovers by itself', async () => {
  const postmaster = pidOf('postgres');
  const busy = new pg.Client({ connectionString: testbed.node('postgres').address.url });
  busy.on('error', () => {});
  await busy.connect();
  const query = expect(busy.query('SELECT pg_sleep(30)')).rejects.toThrow(/terminat|connection/i);
  const one = killBackend();
  expect(await one.apply()).toMatch(/^SIGKILL to busy backend \d+$/);
  await query;
  await one.undo();
  await expect.poll(() => one.probe(), { timeout: 15_000 }).toBe(true);
  expect(pidOf('postgres')).toBe(postmaster);
  await busy.end().catch(() => {});
});

test('a terminated backend loses its own connection and no other', async () => {
  const victim = new pg.Client({ connectionString: testbed.node('postgres').address.url });
  const lost = new Promise<Error>((resolve) => victim.on('error', resolve));
  await victim.connect();
  const one = killBackend('SIGTERM');
  expect(await one.apply()).toMatch(/^SIGTERM to idle backend \d+$/);
  expect((await lost).message).toMatch(/terminat/i);
  expect(await one.probe()).toBe(true);
});

test.each(['gateway.1', 'redis', 'postgres'])('pauses %s and continues it', async (target) => {
  const pid = pidOf(target);
  const one = fault({ kind: 'pause', target });
  await one.apply();
  expect(isPaused(pid)).toBe(true);
  expect(await one.probe()).toBe(`${target} is paused`);
  await one.undo();
  await expect.poll(() => one.probe()).toBe(true);
  expect(pidOf(target)).toBe(pid);
  expect(deaths).toEqual([]);
});

test('undo without apply does nothing, and an unknown target is refused at once', async () => {
  const before = pidOf('redis');
  await kill('redis').undo();
  expect(pidOf('redis')).toBe(before);
  expect(() => kill('gateway.9')).toThrow(
    /no node or process gateway\.9; known: postgres, redis, gateway, gateway\.1, /,
  );
});

test('a PostgreSQL that was killed and never restarted leaves no shared memory', async () => {
  const segments = () => execFileSync('ipcs', ['-m'], { encoding: 'utf8' }).split(/\s+/);
  const other = await start('memory');
  const pidFile = path.join(other.lease.folder, 'data-postgres', 'postmaster.pid');
  const id = readFileSync(pidFile, 'utf8').split('\n')[6]!.trim().split(/\s+/)[1]!;
  await createFault({ kind: 'kill', target: 'postgres', signal: 'SIGKILL' }, other).apply();
  expect(segments()).toContain(id);
  await other.stop();
  expect(segments()).not.toContain(id);
});

test('a testbed with paused, killed and restarting processes still stops cleanly', async () => {
  const other = await start('torn');
  const pids = Object.values(other.pids).flatMap((read) => read());
  for (const target of ['postgres', 'gateway.1'])
    await createFault({ kind: 'pause', target }, other).apply();
  await createFault({ kind: 'kill', target: 'redis', signal: 'SIGKILL' }, other).apply();
  const restarting = other
    .members('gateway.2')[0]!
    .restart()
    .catch((error: Error) => error.message);
  const startedAt = performance.now();
  await other.stop();
  await restarting;
  expect(performance.now() - startedAt).toBeLessThan(8_000);
  expect(pids.filter((pid) => startTimeOf(pid) !== null)).toEqual([]);
  expect(readdirSync(path.join(scratch.cache, 'runs'))).toEqual(['faults']);
});

test('a store that belongs to somebody else is not killed', async () => {
  const env = { ...scratch.env, REDIS_URL: testbed.node('redis').address.url };
  const other = await startTestbed({
    ...{ runId: 'external', topology: bedTopology(), seed: 7, cores: null, onNote: () => {}, env },
  });
  try {
    const spec = { kind: 'kill', target: 'redis', signal: 'SIGKILL' } as const;
    expect(() => createFault(spec, other)).toThrow(/REDIS_URL names a server of its own/);
  } finally {
    await other.stop();
  }
});
