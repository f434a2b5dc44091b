import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultSpec } from '../../fault-plan.ts';
import { contradictions } from '../../pure/faults/fault-evidence.ts';
import { isPortOpen } from '../process/free-port.ts';
import { isPaused, startTimeOf } from '../process/process-table.ts';
import { bedTopology, makeScratch, type Scratch } from '../testbed/fixtures/bed.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';
import type { Fault } from './fault.ts';
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
    onUnexpectedExit: ({ name }) => deaths.push(name),
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

async function expectMeasured(applied: Fault): Promise<void> {
  const evidence = await applied.measure!();
  expect(evidence).not.toEqual([]);
  expect(contradictions(evidence)).toEqual([]);
}

async function sql<T>(text: string): Promise<T> {
  const client = new pg.Client({ connectionString: testbed.node('postgres').address.url });
  await client.connect();
  try {
    return Object.values((await client.query(text)).rows[0] ?? {})[0] as T;
  } finally {
    await client.end();
  }
}

test('starts several processes of the service, each with its own name and port', async () => {
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
  const applied = kill(target, signal);
  expect(await applied.apply()).toBe(`${signal} to ${target}, process ${before}`);
  expect(startTimeOf(before)).toBeNull();
  expect(await applied.probe()).toBe(`${target} is not running`);
  await expectMeasured(applied);
  expect(await testbed.members(target)[0]!.probe()).not.toBe(true);
  await applied.undo();
  const after = pidOf(target);
  expect(after).not.toBe(before);
  expect(await applied.probe()).toBe(true);
  await applied.undo();
  expect(pidOf(target)).toBe(after);
  expect(leased()).toContain(after);
  expect(leased()).not.toContain(before);
  expect(deaths).toEqual([]);
});

test('one gateway alone is gone while the others answer', async () => {
  const applied = kill('gateway.3');
  await applied.apply();
  const open = await Promise.all(
    testbed.targets.map(({ url }) => isPortOpen(Number(new URL(url).port))),
  );
  expect(open).toEqual([true, true, false]);
  await applied.undo();
  expect((await (await fetch(testbed.targets[2]!.url)).json()).name).toBe('gateway.3');
});

test('Redis restarts empty', async () => {
  const redis = new Redis(testbed.node('redis').address.url, { retryStrategy: () => 20 });
  redis.on('error', () => {});
  try {
    await redis.set('canary', '1');
    const applied = kill('redis');
    await applied.apply();
    await applied.undo();
    expect(await redis.dbsize()).toBe(0);
  } finally {
    redis.disconnect();
  }
});

test('PostgreSQL keeps committed data, and none of its processes survives the kill', async () => {
  await sql('CREATE TABLE kept (id int)');
  await sql('INSERT INTO kept SELECT generate_series(1, 500)');
  const family = testbed.pids.postgres!();
  expect(family.length).toBeGreaterThan(3);
  const applied = kill('postgres');
  await applied.apply();
  expect(family.filter((pid) => startTimeOf(pid) !== null)).toEqual([]);
  await applied.undo();
  expect(await sql('SELECT count(*)::int FROM kept')).toBe(500);
});

test('kill-backend kills the busy backend, and PostgreSQL recovers by itself', async () => {
  const postmaster = pidOf('postgres');
  const busy = new pg.Client({ connectionString: testbed.node('postgres').address.url });
  busy.on('error', () => {});
  await busy.connect();
  const query = expect(busy.query('SELECT pg_sleep(30)')).rejects.toThrow(/terminat|connection/i);
  const applied = killBackend();
  expect(await applied.apply()).toMatch(/^SIGKILL to busy backend \d+$/);
  await query;
  await expectMeasured(applied);
  await applied.undo();
  await expect.poll(() => applied.probe(), { timeout: 15_000 }).toBe(true);
  expect(pidOf('postgres')).toBe(postmaster);
  await busy.end().catch(() => {});
});

test('a terminated backend loses its own connection and no other', async () => {
  const victim = new pg.Client({ connectionString: testbed.node('postgres').address.url });
  const lost = new Promise<Error>((resolve) => victim.on('error', resolve));
  await victim.connect();
  const applied = killBackend('SIGTERM');
  expect(await applied.apply()).toMatch(/^SIGTERM to idle backend \d+$/);
  expect((await lost).message).toMatch(/terminat/i);
  await expectMeasured(applied);
  expect(await applied.probe()).toBe(true);
});

test.each(['gateway.1', 'redis', 'postgres'])('pauses %s and continues it', async (target) => {
  const pid = pidOf(target);
  const applied = fault({ kind: 'pause', target });
  await applied.apply();
  expect(isPaused(pid)).toBe(true);
  expect(await applied.probe()).toBe(`${target} is paused`);
  await expectMeasured(applied);
  await applied.undo();
  await expect.poll(() => applied.probe()).toBe(true);
  expect(pidOf(target)).toBe(pid);
  expect(deaths).toEqual([]);
});

test('undo without apply does nothing, and an unknown target is rejected at once', async () => {
  const before = pidOf('redis');
  await kill('redis').undo();
  expect(pidOf('redis')).toBe(before);
  expect(() => kill('gateway.9')).toThrow(
    /no node or process gateway\.9; known: postgres, redis, gateway, gateway\.1, /,
  );
});

test('a PostgreSQL that was killed and never restarted leaves no shared memory', async () => {
  const segments = () => execFileSync('ipcs', ['-m'], { encoding: 'utf8' }).split(/\s+/);
  const secondTestbed = await start('memory');
  const pidFile = path.join(secondTestbed.lease.folder, 'data-postgres', 'postmaster.pid');
  const id = readFileSync(pidFile, 'utf8').split('\n')[6]!.trim().split(/\s+/)[1]!;
  await createFault({ kind: 'kill', target: 'postgres', signal: 'SIGKILL' }, secondTestbed).apply();
  expect(segments()).toContain(id);
  await secondTestbed.stop();
  expect(segments()).not.toContain(id);
});

test('a testbed with paused, killed and restarting processes still stops cleanly', async () => {
  const secondTestbed = await start('torn');
  const pids = Object.values(secondTestbed.pids).flatMap((read) => read());
  for (const target of ['postgres', 'gateway.1'])
    await createFault({ kind: 'pause', target }, secondTestbed).apply();
  await createFault({ kind: 'kill', target: 'redis', signal: 'SIGKILL' }, secondTestbed).apply();
  const restarting = secondTestbed
    .members('gateway.2')[0]!
    .restart()
    .catch((error: Error) => error.message);
  const startedAt = performance.now();
  await secondTestbed.stop();
  await restarting;
  expect(performance.now() - startedAt).toBeLessThan(8_000);
  expect(pids.filter((pid) => startTimeOf(pid) !== null)).toEqual([]);
  expect(readdirSync(path.join(scratch.cache, 'runs'))).toEqual(['faults']);
});

test('a store of the operator is not killed', async () => {
  const env = { ...scratch.env, REDIS_URL: testbed.node('redis').address.url };
  const secondTestbed = await startTestbed({
    runId: 'external',
    topology: bedTopology(),
    seed: 7,
    cores: null,
    onNote: () => {},
    env,
  });
  try {
    const spec = { kind: 'kill', target: 'redis', signal: 'SIGKILL' } as const;
    expect(() => createFault(spec, secondTestbed)).toThrow(/REDIS_URL names a server of its own/);
  } finally {
    await secondTestbed.stop();
  }
});
