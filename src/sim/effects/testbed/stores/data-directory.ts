/** Creates a PostgreSQL data directory, and syncs one to disk, both with initdb. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createPrivateFolder } from '../../process/cache.ts';
import type { RunUser } from '../../process/run-user.ts';
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

/**
 * An empty database cluster: superuser postgres, UTF8, C locale, connections need no password; not yet synced to disk.
 */
export async function createDataDirectory(directory: DataDirectory): Promise<void> {
  await createPrivateFolder(directory.dataDir, directory.user);
  await initdb(directory, [
    '-U',
    'postgres',
    '-A',
    'trust',
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
