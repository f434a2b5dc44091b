// A disk that is too small, and one that fills while it is written to: a small tmpfs, which only root may mount.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EnvironmentError } from '../../errors.ts';
import { createLease } from '../process/lease.ts';
import { packageRoot } from '../process/package-root.ts';
import { processesIn } from '../process/process-table.ts';
import { bedTopology, eventually, makeScratch, type Scratch } from './fixtures/bed.ts';
import { copyTemplate } from './templates/template-store.ts';
import { startTestbed } from './testbed.ts';

const MB = 1024 ** 2;
let scratch: Scratch;
beforeEach(async () => {
  scratch = await makeScratch();
  mkdirSync(scratch.cache);
});
afterEach(() => scratch.remove());

function mount(...options: string[]): void {
  const args = ['-t', 'tmpfs', '-o', options.join(','), 'tmpfs', scratch.cache];
  execFileSync('mount', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 10_000 });
}

/** Runs `work` with the cache on a disk of this size; false when this account may not mount one. */
async function onDisk(sizeMb: number, work: () => Promise<void>): Promise<boolean> {
  try {
    mount(`size=${sizeMb}m`, 'mode=755');
  } catch (error) {
    console.warn(`skipped: no tmpfs can be mounted here (${(error as Error).message.trim()})`);
    return false;
  }
  try {
    await work();
    expect(processesIn(scratch.cache)).toEqual([]);
  } finally {
    execFileSync('umount', [scratch.cache], { timeout: 10_000 });
  }
  return true;
}

/** Takes away all but `leftMb` of what is free. */
function shrink(leftMb: number): void {
  const { blocks, bfree, bsize } = statfsSync(scratch.cache);
  const usedMb = Math.ceil(((blocks - bfree) * bsize) / MB);
  mount('remount', `size=${usedMb + leftMb}m`);
}

async function failureOf(rows: number, onNote: (note: string) => void = () => {}) {
  const error = await startTestbed({
    runId: 'full',
    logFolder: scratch.logFolder,
    topology: bedTopology({ template: { rows } }),
    seed: 7,
    cores: null,
    onNote,
    env: scratch.env,
  }).then(
    () => new Error('the testbed started'),
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(EnvironmentError);
  expect(error.exitCode).toBe(3);
  expect(error.toLines().split('\n')).toHaveLength(3);
  expect(error.next).toContain('PLATFORM_CACHE=');
  expect(readdirSync(path.join(scratch.cache, 'runs'))).toEqual([]);
  const templates = path.join(scratch.cache, 'templates');
  expect(existsSync(templates) ? readdirSync(templates) : []).toEqual([]);
  return error as EnvironmentError;
}

test('a disk too small for the binaries is rejected before anything is copied', async (context) => {
  const ran = await onDisk(40, async () => {
    const { what, why } = await failureOf(10);
    expect(what).toBe("not enough disk space for PostgreSQL's binaries");
    expect(why).toMatch(/ has \d+ MB free, \d+ MB are needed$/);
    expect(readdirSync(path.join(scratch.cache, 'postgres'))).toEqual([]);
  });
  if (!ran) context.skip();
});

test('the command reports a full disk in three lines and exits 3', async (context) => {
  const ran = await onDisk(40, async () => {
    const argv = [path.join(packageRoot, 'bin/platform.js'), 'sim', 'turn4', '--quick', '--quiet'];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
      env: scratch.env,
      cwd: scratch.root,
      encoding: 'utf8',
      timeout: 30_000,
    });
    const lines = stderr.trimEnd().split('\n');
    expect([status, stdout, lines.length]).toEqual([3, '', 3]);
    expect(lines[0]).toBe("not enough disk space for PostgreSQL's binaries");
    expect(lines[2]).toMatch(/^next: PLATFORM_CACHE=/);
    expect(readdirSync(path.join(scratch.cache, 'runs'))).toEqual([]);
  });
  if (!ran) context.skip();
});

test('a disk too small for the data is rejected before it is built', async (context) => {
  const ran = await onDisk(600, async () => {
    expect((await failureOf(10)).what).toBe('not enough disk space to build the data template');
  });
  if (!ran) context.skip();
});

test('a disk that fills up during a build leaves no partial template', async (context) => {
  const ran = await onDisk(2_048, async () => {
    const templates = path.join(scratch.cache, 'templates');
    const isBuilding = () =>
      readdirSync(templates).some((name) =>
        existsSync(path.join(templates, name, 'data', 'postmaster.pid')),
      );
    let shrunk: Promise<void> | null = null;
    const { what, why } = await failureOf(3_000_000, (note) => {
      if (!note.startsWith('building')) return;
      shrunk = eventually('PostgreSQL runs', isBuilding).then(() => shrink(24));
    });
    await shrunk;
    expect(what).toBe('the disk is full');
    expect(why).toMatch(/MB free: /);
  });
  if (!ran) context.skip();
});

test('a disk that fills up during a copy is reported as full', async (context) => {
  const dataDir = path.join(scratch.root, 'data');
  mkdirSync(dataDir);
  writeFileSync(path.join(dataDir, 'base'), Buffer.alloc(310 * MB, 1));
  const ran = await onDisk(300, async () => {
    const lease = createLease({ runId: 'copy', cache: scratch.cache, reaper: false });
    const grown = { key: 'grown', dataDir, sizeBytes: 1, isNew: false };
    const error = await copyTemplate(grown, path.join(lease.folder, 'data'), lease).catch(
      (thrown) => thrown,
    );
    expect(error).toBeInstanceOf(EnvironmentError);
    expect(error.what).toBe('the disk is full');
    await lease.release();
    expect(readdirSync(path.join(scratch.cache, 'runs'))).toEqual([]);
  });
  if (!ran) context.skip();
});
