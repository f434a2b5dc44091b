import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLease, leaseFile } from '../../sim/effects/process/lease.ts';
import { makeScratch, type Scratch } from '../../sim/effects/testbed/fixtures/bed.ts';
import { captureIo } from '../fixtures/captured-io.ts';
import { runDoctor } from './doctor.ts';
import type { Check } from './doctor-check.ts';

let scratch: Scratch;
let bare: NodeJS.ProcessEnv;
const byId = (text: string): Record<string, Check> => {
  const { checks } = JSON.parse(text) as { checks: Check[] };
  return Object.fromEntries(checks.map((check) => [check.id, check]));
};

beforeAll(async () => {
  scratch = await makeScratch();
  // A machine without Redis, taskset and the optional tools; chmod and id are what the testbed needs.
  const bin = path.join(scratch.root, 'bin');
  mkdirSync(bin);
  for (const tool of ['chmod', 'id']) symlinkSync(`/bin/${tool}`, path.join(bin, tool));
  bare = { ...scratch.env, PATH: bin };
});
afterAll(() => scratch.remove());

test('finds this machine ready, one line per check, without escape codes in a pipe', async () => {
  const io = captureIo(scratch.env);
  expect(await runDoctor(io)).toBe(0);
  const text = io.out();
  expect(text).toMatch(/^ok {4}node {2,}v\d+/);
  expect(text).toMatch(/^ok {4}postgres +18\.\d+/m);
  expect(text).toMatch(/^ok {4}redis +\d+\.\d+/m);
  expect(text).toMatch(/^warn {2}templates .*\n +fix: platform setup$/m);
  expect(text).toMatch(/\nready.*\n$/);
  expect(text).not.toContain('\u001b');
  expect(io.errors()).toBe('');
});

test('fails without Redis, and only warns without the optional tools', async () => {
  const io = captureIo(bare);
  expect(await runDoctor(io, { json: true })).toBe(3);
  const checks = byId(io.out());
  expect(checks.redis).toMatchObject({ status: 'fail', fix: 'platform setup' });
  for (const id of ['k6', 'clinic', 'chromium']) {
    expect(checks[id]).toMatchObject({ status: 'warn', fix: `platform setup --with ${id}` });
  }
  expect(JSON.parse(io.out())).toMatchObject({ ready: false, exitCode: 3 });
});

test('shows an unreachable DATABASE_URL without its password', async () => {
  const io = captureIo({ ...scratch.env, DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/app' });
  expect(await runDoctor(io, { json: true })).toBe(3);
  expect(byId(io.out()).postgres).toMatchObject({ status: 'fail' });
  expect(io.out()).not.toContain('hunter2');
});

test('refuses an address that a run would refuse, in the same words', async () => {
  const io = captureIo({ ...scratch.env, REDIS_URL: '127.0.0.1:6379' });
  expect(await runDoctor(io, { json: true })).toBe(3);
  expect(byId(io.out()).redis).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('expected an address that starts with redis://'),
  });
});

test('a cache that is a file fails with its reason', async () => {
  const file = path.join(scratch.root, 'file');
  writeFileSync(file, '');
  const io = captureIo({ ...scratch.env, PLATFORM_CACHE: path.join(file, 'cache') });
  expect(await runDoctor(io, { json: true })).toBe(3);
  expect(byId(io.out()).cache).toMatchObject({ status: 'fail' });
});

test('reports the leftovers of a killed run, and removes them with --clean', async () => {
  const lease = createLease({ runId: 'dead', cache: scratch.cache, reaper: false });
  const data = JSON.parse(readFileSync(leaseFile(lease.folder), 'utf8'));
  writeFileSync(
    leaseFile(lease.folder),
    JSON.stringify({ ...data, owner: { ...data.owner, startTime: 'long ago' } }),
  );
  const looking = captureIo(scratch.env);
  expect(await runDoctor(looking, { json: true })).toBe(0);
  expect(byId(looking.out()).leftovers).toEqual({
    id: 'leftovers',
    status: 'warn',
    found: '1 killed run: dead',
    fix: 'platform doctor --clean',
  });
  expect(existsSync(lease.folder)).toBe(true);
  const cleaning = captureIo(scratch.env);
  expect(await runDoctor(cleaning, { clean: true })).toBe(0);
  expect(cleaning.out()).toContain('removed what the killed run dead left behind');
  expect(existsSync(lease.folder)).toBe(false);
});
