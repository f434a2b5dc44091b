/**
 * Writes a run's reports into its folder. Files and the `latest` link are written under a temporary name and renamed,
 * so that each appears whole or not at all.
 */
import { rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { FormatName } from '../../report/formats.ts';
import { createFolder } from '../../sim/effects/process/create-folder.ts';
import { EnvironmentError } from '../../sim/errors.ts';
import type { Result } from '../../sim/result.ts';

export const reportFormatNames = [
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
  // The charts load slowly; help and list must not load them.
  const { formats } = await import('../../report/formats.ts');
  const paths: string[] = [];
  await ensureFolder(folder);
  for (const name of names) {
    const format = formats[name];
    const path = join(folder, format.file);
    await writeAtomically(path, format.render(result));
    paths.push(path);
  }
  return paths;
}

/** Points `reports/<scenario>/latest` at the run. */
export async function linkLatest(folder: string): Promise<void> {
  const target = basename(folder);
  const link = join(dirname(folder), 'latest');
  const temporaryLink = join(dirname(folder), `.latest-${process.pid}`);
  await explainWriteErrors(link, async () => {
    await rm(temporaryLink, { force: true });
    await symlink(target, temporaryLink, 'dir');
    await rename(temporaryLink, link);
  });
}

/** Also called before a run, so that an unwritable folder is found at once. */
export async function ensureFolder(folder: string): Promise<void> {
  await explainWriteErrors(folder, () => createFolder(folder));
}

/** For messages: relative to the working directory if the path is inside it, else absolute. */
export function displayPath(path: string): string {
  const relativePath = relative(process.cwd(), resolve(path));
  if (relativePath === '') return '.';
  return relativePath.startsWith('..') ? resolve(path) : relativePath;
}

async function writeAtomically(path: string, text: string): Promise<void> {
  const temporaryFile = `${path}.${process.pid}.tmp`;
  await explainWriteErrors(path, async () => {
    try {
      await writeFile(temporaryFile, text);
      await rename(temporaryFile, path);
    } finally {
      await rm(temporaryFile, { force: true });
    }
  });
}

async function explainWriteErrors(path: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isDiskFull = code === 'ENOSPC' || code === 'EDQUOT';
    throw new EnvironmentError(
      {
        what: `cannot write ${displayPath(path)}`,
        why: isDiskFull ? `the disk is full (${code})` : message,
        next: isDiskFull
          ? `df -h ${displayPath(dirname(path))}, free some space and repeat the command`
          : 'repeat the command with --out <a folder you may write to>',
      },
      { cause },
    );
  }
}
