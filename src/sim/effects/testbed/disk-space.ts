/** Checks free space before a copy starts: a disk that fills up during a copy leaves a broken database. */
import { lstat, readdir, readFile, statfs } from 'node:fs/promises';
import path from 'node:path';
import { EnvironmentError } from '../../errors.ts';

const MB = 1024 * 1024;
/** With less free space than this, an error counts as caused by the full disk. */
const NEARLY_FULL_BYTES = 4 * MB;

export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

export async function requireFreeSpace(
  folder: string,
  neededBytes: number,
  purpose: string,
): Promise<void> {
  const free = await freeBytes(folder);
  if (free >= neededBytes) return;
  throw new EnvironmentError({
    what: `not enough disk space ${purpose}`,
    why: `${folder} has ${Math.floor(free / MB)} MB free, ${Math.ceil(neededBytes / MB)} MB are needed`,
    next: 'PLATFORM_CACHE=<a folder on a larger disk> platform doctor',
  });
}

/** Bytes of all regular files below a folder. */
export async function folderBytes(folder: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) total += (await lstat(path.join(entry.parentPath, entry.name))).size;
  }
  return total;
}

/** True if the error or one of its causes is a full disk, reported by Node or in the output of a child process. */
export function isDiskFull(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') return true;
    if (/No space left on device|ENOSPC/.test(cause.message)) return true;
  }
  return false;
}

/** Adds the server's log line to an error: after a full disk the client sees a lost connection only, and the space may be free again. */
export async function addServerLogCause(error: unknown, logFile: string): Promise<unknown> {
  const log = await readFile(logFile, 'utf8').catch(() => '');
  const logLine = log.split('\n').find((line) => line.includes('No space left on device'));
  return logLine === undefined || !(error instanceof Error)
    ? error
    : new Error(error.message, { cause: new Error(logLine, { cause: error }) });
}

/** A failure caused by a full disk as an EnvironmentError; any other error unchanged. */
export async function explainDiskFull(error: unknown, folder: string): Promise<unknown> {
  if (error instanceof EnvironmentError) return error;
  const free = await freeBytes(folder).catch(() => Number.POSITIVE_INFINITY);
  // A database without space may end without reporting the cause to its client.
  if (!isDiskFull(error) && free > NEARLY_FULL_BYTES) return error;
  return new EnvironmentError(
    {
      what: 'the disk is full',
      why: `${folder} has ${Number.isFinite(free) ? Math.floor(free / MB) : 0} MB free: ${(error as Error).message.split('\n')[0]}`,
      next: 'PLATFORM_CACHE=<a folder on a larger disk> platform doctor',
    },
    { cause: error },
  );
}
