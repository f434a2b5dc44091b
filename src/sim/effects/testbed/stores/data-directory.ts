/** Creates a PostgreSQL data directory, and syncs one to disk, both with initdb. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createPrivateFolder, writePrivateFile } from '../../process/cache.ts';
import type { RunUser } from '../../process/run-user.ts';
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
  await promisify(execFile)(directory.binaries.initdb, ['-D', directory.dataDir, ...args], {
    // In the run's folder, where the cleanup looks for a killed run's processes.
    cwd: directory.dataDir,
    env: postgresEnvironment(),
    timeout: INITDB_LIMIT_MS,
    killSignal: 'SIGKILL',
    ...(directory.user ?? {}),
  });
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
  ]);
}

/** Resolves when all files are on disk. */
export async function syncDataDirectory(directory: DataDirectory): Promise<void> {
  await initdb(directory, ['--sync-only']);
}
