/**
 * The cache: one folder per machine (or user) for PostgreSQL's binaries, the data templates and the folder of every
 * running run. On a real disk, not in /tmp, which is memory on many systems: a copied template would use up memory
 * and fsync would look free. The account PostgreSQL runs as must be able to reach it.
 */
import { chmod, chown, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { EnvironmentError } from '../../errors.ts';
import { createFolder } from './create-folder.ts';
import type { RunUser } from './run-user.ts';

export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.PLATFORM_CACHE) return path.resolve(env.PLATFORM_CACHE);
  if (process.getuid?.() === 0) return '/var/cache/platform-sim';
  if (env.XDG_CACHE_HOME) return path.join(path.resolve(env.XDG_CACHE_HOME), 'platform-sim');
  const home = env.HOME || homeFolder();
  if (process.platform === 'darwin') return path.join(home, 'Library', 'Caches', 'platform-sim');
  return path.join(home, '.cache', 'platform-sim');
}

/** A container's arbitrary user id has no entry in /etc/passwd, and so no home folder. */
function homeFolder(): string {
  try {
    return homedir();
  } catch (cause) {
    throw new EnvironmentError(
      {
        what: 'this account has no home folder, where the cache would be',
        why: `HOME is not set, and ${(cause as Error).message}`,
        next: 'PLATFORM_CACHE=<a writable folder> platform doctor',
      },
      { cause },
    );
  }
}

/** A folder below the cache that every account may traverse (0755). */
export async function createTraversableFolder(folder: string): Promise<void> {
  await createFolder(folder);
  await chmod(folder, 0o755);
}

/** A folder that only `user` may enter (0700); null: the caller. */
export async function createPrivateFolder(folder: string, user: RunUser | null): Promise<void> {
  await createFolder(folder, 0o700);
  if (user) await chown(folder, user.uid, user.gid);
}

/** A file that only `user` may read (0600), replaced if it exists; null: the caller. */
export async function writePrivateFile(
  file: string,
  text: string,
  user: RunUser | null,
): Promise<void> {
  // A new file: the mode of an old one, or the destination of a link, would stay.
  await rm(file, { force: true });
  await writeFile(file, text, { mode: 0o600, flag: 'wx' });
  if (user) await chown(file, user.uid, user.gid);
}

/** Creates the cache and checks that `user` can reach it; the error names the parent folder that is closed. */
export async function openCache(
  user: RunUser | null,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const folder = cacheFolder(env);
  try {
    await createFolder(folder);
    if (user) await chmod(folder, 0o755);
  } catch (cause) {
    throw new EnvironmentError(
      {
        what: `cannot create the cache folder ${folder}`,
        why: (cause as Error).message,
        next: 'PLATFORM_CACHE=<a writable folder> platform doctor',
      },
      { cause },
    );
  }
  if (user) await assertReachable(folder, user);
  return folder;
}

async function assertReachable(folder: string, user: RunUser): Promise<void> {
  for (let at = folder; ; at = path.dirname(at)) {
    const { mode, uid, gid } = await stat(at);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) {
      throw new EnvironmentError({
        what: `the cache folder ${folder} is closed to the account PostgreSQL runs as (uid ${user.uid})`,
        why: `${at} has mode ${(mode & 0o777).toString(8)}`,
        next: 'PLATFORM_CACHE=/var/cache/platform-sim platform doctor',
      });
    }
    if (at === path.dirname(at)) return;
  }
}
