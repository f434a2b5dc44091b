/** Creates a PostgreSQL data directory, and syncs one to disk, both with initdb. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { EnvironmentError } from '../../../errors.ts';
import { createPrivateFolder, writePrivateFile } from '../../process/cache.ts';
import type { RunUser } from '../../process/run-user.ts';
import { isDiskFull } from '../disk-space.ts';
import { newPassword } from './credentials.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { postgresEnvironment } from './postgres-process.ts';

const INITDB_LIMIT_MS = 60_000;

interface DataDirectory {
  readonly binaries: PostgresBinaries;
  readonly user: RunUser | null;
  readonly dataDir: string;
}

async function initdb(directory: DataDirectory, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(directory.binaries.initdb, ['-D', directory.dataDir, ...args], {
      // In the run's folder, where the cleanup looks for a killed run's processes.
      cwd: directory.dataDir,
      env: postgresEnvironment(),
      timeout: INITDB_LIMIT_MS,
      killSignal: 'SIGKILL',
      ...(directory.user ?? {}),
    });
  } catch (cause) {
    throw isDiskFull(cause) ? cause : explainFailure(cause as Error & { stderr?: string });
  }
}

/** initdb looks up the name of its account, which a container's arbitrary user id does not have. */
const NO_ACCOUNT = /could not look up effective user ID/;

function explainFailure(cause: Error & { stderr?: string }): EnvironmentError {
  const lines = (cause.stderr ?? '').split('\n').filter((line) => line.trim() !== '');
  const reason = lines.findLast((line) => /FATAL|PANIC|error:|could not/i.test(line));
  const isNameless = NO_ACCOUNT.test(cause.stderr ?? '');
  return new EnvironmentError(
    {
      what: 'PostgreSQL cannot create a data directory: its initdb failed',
      why: reason ?? lines.at(-1) ?? cause.message.split('\n')[0]!,
      next: isNameless
        ? 'echo "platform:x:$(id -u):$(id -g)::/tmp:/bin/sh" >> /etc/passwd'
        : 'DATABASE_URL=postgres://user@host/database platform doctor',
    },
    { cause },
  );
}

const passwordFile = (dataDir: string): string => `${dataDir}.password`;

/** The superuser's password in a data directory as createDataDirectory made it. */
export const readPassword = (dataDir: string): Promise<string> =>
  readFile(passwordFile(dataDir), 'utf8');

/**
 * An empty database cluster: superuser postgres, UTF8, C locale; not yet synced to disk. Every connection needs a
 * password; the superuser's is in a file beside the directory that only `user` can read.
 */
export async function createDataDirectory(directory: DataDirectory): Promise<void> {
  await createPrivateFolder(directory.dataDir, directory.user);
  await writePrivateFile(passwordFile(directory.dataDir), newPassword(), directory.user);
  await initdb(directory, [
    '-U',
    'postgres',
    '-A',
    'scram-sha-256',
    `--pwfile=${passwordFile(directory.dataDir)}`,
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
    '--no-instructions',
    // Where /dev/shm is missing or tiny, initdb itself would fail, or fall back to a few hundred kB of buffers.
    '--set=dynamic_shared_memory_type=mmap',
    '--set=shared_buffers=128MB',
  ]);
}

/** Resolves when all files are on disk. */
export async function syncDataDirectory(directory: DataDirectory): Promise<void> {
  await initdb(directory, ['--sync-only']);
}
