import { type ChildProcess, spawn } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bedTopology, eventually, makeScratch, type Scratch } from '../testbed/fixtures/bed.ts';
import { type Owned, startOwner } from '../testbed/fixtures/owner.ts';
import { isPortOpen } from './free-port.ts';
import { createLease, leaseFile, runsFolder } from './lease.ts';
import { cleanUpLeftovers, findLeftovers } from './leftovers.ts';
import { childrenOf, startTimeOf } from './process-table.ts';

let scratch: Scratch;
beforeAll(async () => {
  scratch = await makeScratch();
});
afterAll(() => scratch.remove());

const survivors = (owned: Owned) =>
  Object.values(owned.pids)
    .flat()
    .filter((pid) => startTimeOf(pid) !== null);

const openPorts = async (owned: Owned) => {
  const ports = [owned.databaseUrl, owned.redisUrl, owned.service.url].map((url) =>
    Number(new URL(url).port),
  );
  return (await Promise.all(ports.map((port) => isPortOpen(port)))).filter((open) => open).length;
};

function reaperOf(owner: ChildProcess): number {
  const pid = childrenOf(owner.pid!).find((child) =>
    readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('reaper.js'),
  );
  if (pid === undefined) throw new Error('the run has no reaper');
  return pid;
}

test('kill -9 of the run: the reaper removes processes, ports and folder', async () => {
  const { owner, owned } = await startOwner(scratch, 'killed');
  const reaper = reaperOf(owner);
  expect(await openPorts(owned)).toBe(3);
  owner.kill('SIGKILL');
  await eventually('the folder is gone', () => !existsSync(owned.folder));
  expect(survivors(owned)).toEqual([]);
  expect(await openPorts(owned)).toBe(0);
  await eventually('the reaper is gone', () => startTimeOf(reaper) === null);
});

test('kill -9 of the run and its reaper: the next run cleans up', async () => {
  const { owner, owned } = await startOwner(scratch, 'killed-both');
  expect(await findLeftovers(scratch.cache)).toEqual([]);
  process.kill(reaperOf(owner), 'SIGKILL');
  owner.kill('SIGKILL');
  await eventually('the owner is gone', () => startTimeOf(owner.pid!) === null);
  expect(survivors(owned).length).toBeGreaterThan(0);

  const [leftover, ...others] = await findLeftovers(scratch.cache);
  expect(others).toEqual([]);
  expect(leftover).toMatchObject({ runId: 'killed-both' });
  expect(leftover!.runningChildren).toContain('postgres');
  const notes: string[] = [];
  await cleanUpLeftovers(scratch.cache, (note) => notes.push(note));
  expect(notes).toEqual(['removed what the killed run killed-both left behind']);
  expect(survivors(owned)).toEqual([]);
  expect(await openPorts(owned)).toBe(0);
  expect(readdirSync(runsFolder(scratch.cache))).toEqual([]);
});

test('kill -9 in the middle of a fault: what was paused is removed as well', async () => {
  const { owner, owned } = await startOwner(scratch, 'paused', {
    topology: bedTopology({
      instances: 3,
      proxied: ['client->gateway', 'gateway->redis', 'gateway->postgres'],
    }),
    pause: ['postgres', 'gateway.2', 'redis'],
  });
  expect(owned.pids.proxy).toHaveLength(1);
  expect(owned.pids.gateway).toHaveLength(3);
  owner.kill('SIGKILL');
  await eventually('the folder is gone', () => !existsSync(owned.folder));
  expect(survivors(owned)).toEqual([]);
  expect(await openPorts(owned)).toBe(0);
});

test('a process that is not in the lease is found by its folder', async () => {
  const { owner, owned } = await startOwner(scratch, 'unnamed');
  process.kill(reaperOf(owner), 'SIGKILL');
  owner.kill('SIGKILL');
  await eventually('the owner is gone', () => startTimeOf(owner.pid!) === null);
  const data = JSON.parse(readFileSync(leaseFile(owned.folder), 'utf8'));
  writeFileSync(leaseFile(owned.folder), JSON.stringify({ ...data, children: [] }));
  const [leftover] = await findLeftovers(scratch.cache);
  expect(leftover!.runningChildren).toEqual(
    expect.arrayContaining(['postgres', expect.stringMatching(/-server$/)]),
  );
  await cleanUpLeftovers(scratch.cache, () => {});
  expect(survivors(owned)).toEqual([]);
  expect(existsSync(owned.folder)).toBe(false);
});

test('the reaper exits when the run ended by itself', async () => {
  const { owner, owned } = await startOwner(scratch, 'clean', { stop: true });
  await eventually('the owner is gone', () => owner.exitCode !== null);
  expect(owner.exitCode).toBe(0);
  expect(existsSync(owned.folder)).toBe(false);
  expect(survivors(owned)).toEqual([]);
});

test.runIf(process.getuid?.() === 0)('works as a normal user, too', async () => {
  const uid = 65_534;
  const own = await makeScratch();
  const { root } = own;
  mkdirSync(own.cache);
  for (const folder of [root, own.cache]) chownSync(folder, uid, uid);
  try {
    const { owner, owned } = await startOwner(own, 'as-nobody', { uid });
    const status = readFileSync(`/proc/${owned.pids.postgres![0]}/status`, 'utf8');
    expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).toBe(String(uid));
    owner.kill('SIGKILL');
    await eventually('the folder is gone', () => !existsSync(owned.folder));
    expect(survivors(owned)).toEqual([]);
  } finally {
    await own.remove();
  }
});

test('a process that merely has a leased pid is not killed', async () => {
  const bystander = spawn('sleep', ['60']);
  try {
    const lease = createLease({ runId: 'reused-pid', cache: scratch.cache, reaper: false });
    const data = JSON.parse(readFileSync(leaseFile(lease.folder), 'utf8'));
    data.owner.startTime = 'before the last boot';
    data.children = [{ pid: bystander.pid, startTime: 'before the last boot', name: 'redis' }];
    writeFileSync(leaseFile(lease.folder), JSON.stringify(data));
    await cleanUpLeftovers(scratch.cache, () => {});
    expect(existsSync(lease.folder)).toBe(false);
    expect(startTimeOf(bystander.pid!)).not.toBeNull();
  } finally {
    bystander.kill();
  }
});

test("a folder outside the cache is not deleted on a lease's word", async () => {
  const precious = path.join(scratch.root, 'precious');
  mkdirSync(precious);
  const lease = createLease({ runId: 'outside', cache: scratch.cache, reaper: false });
  lease.addDirectory(precious);
  lease.addDirectory(path.join(scratch.cache, '..', 'precious'));
  const data = JSON.parse(readFileSync(leaseFile(lease.folder), 'utf8'));
  data.owner.startTime = 'another';
  writeFileSync(leaseFile(lease.folder), JSON.stringify(data));
  await cleanUpLeftovers(scratch.cache, () => {});
  expect(existsSync(lease.folder)).toBe(false);
  expect(existsSync(precious)).toBe(true);
});

test('an old folder without a lease is a leftover, a new one is not', async () => {
  const folder = path.join(runsFolder(scratch.cache), 'torn');
  mkdirSync(folder, { recursive: true });
  expect(await findLeftovers(scratch.cache)).toEqual([]);
  const yesterday = new Date(Date.now() - 86_400_000);
  utimesSync(folder, yesterday, yesterday);
  expect(await findLeftovers(scratch.cache)).toHaveLength(1);
  await cleanUpLeftovers(scratch.cache, () => {});
  expect(existsSync(folder)).toBe(false);
});

test('a lease is closed to other accounts', () => {
  const lease = createLease({ runId: 'private', cache: scratch.cache, reaper: false });
  lease.addExternal({ postgres: { url: 'postgres://u:secret@h/d', schema: 'platform_private' } });
  const { mode } = statSync(leaseFile(lease.folder));
  expect(mode & 0o777).toBe(0o600);
  return lease.release();
});
