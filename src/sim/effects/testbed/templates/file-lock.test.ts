import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withLock } from './file-lock.ts';

let folder: string;
let waits: number;
const options = (limitMs = 5_000) => ({
  limitMs,
  onWait: () => {
    waits += 1;
  },
  onTimeout: () => new Error('still locked'),
});

beforeEach(async () => {
  waits = 0;
  folder = await mkdtemp(path.join(tmpdir(), 'file-lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('lets one holder in at a time and leaves nothing behind', async () => {
  let inside = 0;
  let most = 0;
  const work = async () => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setTimeout(resolve, 20));
    inside -= 1;
  };
  const lock = path.join(folder, 'lock');
  await Promise.all([1, 2, 3].map(() => withLock(lock, options(), work)));
  expect(most).toBe(1);
  expect(waits).toBeGreaterThan(0);
  expect(await readdir(folder)).toEqual([]);
});

test('takes over the lock of a dead owner', async () => {
  const lock = path.join(folder, 'lock');
  await writeFile(lock, JSON.stringify({ pid: process.pid, startTime: 'of another process' }));
  expect(await withLock(lock, options(), async () => 'mine')).toBe('mine');
});

test('times out on a lock of a running owner', async () => {
  const lock = path.join(folder, 'lock');
  await withLock(lock, options(), async () => {
    await expect(withLock(lock, options(50), async () => {})).rejects.toThrow('still locked');
  });
});

test('releases the lock when the work fails', async () => {
  const lock = path.join(folder, 'lock');
  const failing = withLock(lock, options(), () => Promise.reject(new Error('broken')));
  await expect(failing).rejects.toThrow('broken');
  expect(await readdir(folder)).toEqual([]);
});
