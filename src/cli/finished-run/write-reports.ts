/**
 * Writes a run's reports into its folder. Files and the `latest` link are written under a temporary name and renamed,
 * so that each appears whole or not at all.
 */
import { existsSync, lstatSync } from 'node:fs';
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

export async function ensureFolder(folder: string): Promise<void> {
  await explainWriteErrors(folder, () => createFolder(folder));
}

/** A run's first files are small; what it writes grows with its load. */
const PROBE_BYTES = 65_536;

/** Called before a run: makes the folder and writes to it, because rights, links and a full disk show only then. */
export async function requireWritable(folder: string): Promise<void> {
  await explainWriteErrors(folder, async () => {
    await createFolder(folder);
    await writeProbe(folder);
  });
}

/** The same question, without leaving a new folder behind: where it is missing, its nearest parent is asked. */
export async function probeWritable(folder: string): Promise<void> {
  let at = resolve(folder);
  while (!existsSync(at) && !isLink(at)) at = dirname(at);
  await explainWriteErrors(folder, () => writeProbe(at));
}

async function writeProbe(folder: string): Promise<void> {
  const file = join(folder, `.platform-probe-${process.pid}`);
  try {
    await writeFile(file, Buffer.alloc(PROBE_BYTES), { flag: 'wx', flush: true });
  } finally {
    await rm(file, { force: true });
  }
}

/** Also one whose target is not there. */
const isLink = (file: string): boolean =>
  lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

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

const WRITE_FAILURES: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'this account may not write there',
  EPERM: 'this account may not write there',
  EEXIST: 'a file is in the way',
  ENOTDIR: 'a part of the path is a file',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'the name is too long',
};

/** Of the path, or of a folder above it. */
function danglingLink(path: string): string | undefined {
  for (let at = resolve(path); at !== dirname(at); at = dirname(at))
    if (isLink(at) && !existsSync(at)) return `${displayPath(at)} is a link to nothing`;
  return undefined;
}

async function explainWriteErrors(path: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    const isDiskFull = code === 'ENOSPC' || code === 'EDQUOT';
    const reason = WRITE_FAILURES[code] ?? (code === 'ENOENT' ? danglingLink(path) : undefined);
    throw new EnvironmentError(
      {
        what: `cannot write ${displayPath(path)}`,
        why: reason === undefined ? message : `${reason} (${message})`,
        next: isDiskFull
          ? `df -h ${displayPath(dirname(path))}, free some space and repeat the command`
          : 'repeat the command with --out <a folder you may write to>',
      },
      { cause },
    );
  }
}
