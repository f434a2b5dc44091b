/**
 * Writes a run's reports into its folder. Every file appears whole or not at all (written beside, then
 * renamed), and so does the `latest` link.
 */
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { FormatName } from '../report/formats.ts';
import { EnvironmentError } from '../sim/errors.ts';
import type { Result } from '../sim/result.ts';

export const FORMAT_NAMES = [
  'html',
  'md',
  'json',
  'junit',
] as const satisfies readonly FormatName[];

/** Paths of the files written, in the order of `names`. */
export async function writeReports(
  result: Result,
  folder: string,
  names: readonly FormatName[],
): Promise<readonly string[]> {
  // Charts take a moment to load; help and list must not wait for them.
  const { formats } = await import('../report/formats.ts');
  const paths: string[] = [];
  await ensureFolder(folder);
  for (const name of names) {
    const format = formats[name];
    const path = join(folder, format.file);
    await writeWhole(path, format.render(result));
    paths.push(path);
  }
  return paths;
}

/** Points `reports/<scenario>/latest` at the run. */
export async function linkLatest(folder: string): Promise<void> {
  const target = basename(folder);
  const link = join(dirname(folder), 'latest');
  const beside = join(dirname(folder), `.latest-${process.pid}`);
  await guarded(link, async () => {
    await rm(beside, { force: true });
    await symlink(target, beside, 'dir');
    await rename(beside, link);
  });
}

/** Called before a run too: a reports folder that cannot be made must not cost two minutes. */
export async function ensureFolder(folder: string): Promise<void> {
  await guarded(folder, () => mkdir(folder, { recursive: true }));
}

/** A path as a person would type it from here. */
export function shownPath(path: string): string {
  const near = relative(process.cwd(), resolve(path));
  return near === '' ? '.' : near.startsWith('..') ? resolve(path) : near;
}

async function writeWhole(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}.tmp`;
  await guarded(path, async () => {
    try {
      await writeFile(beside, text);
      await rename(beside, path);
    } finally {
      await rm(beside, { force: true });
    }
  });
}

async function guarded(path: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new EnvironmentError(
      {
        what: `cannot write ${shownPath(path)}`,
        why: full ? `the disk is full (${code})` : message,
        next: full
          ? `df -h ${shownPath(dirname(path))}, free some space and repeat the command`
          : 'repeat the command with --out <a folder you may write to>',
      },
      { cause },
    );
  }
}
