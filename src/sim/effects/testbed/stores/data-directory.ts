/** Creates a PostgreSQL data directory, and syncs one to disk, both with initdb. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createPrivateFolder } from '../../process/cache.ts';
import type { RunUser } from '../../process/run-user.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { postgresEnvironment } from './postgres-process.ts';

const LIMIT_MS = 60_000;

interface Target {
  readonly binaries: PostgresBinaries;
  readonly user: RunUser | null;
  readonly dataDir: string;
}

async function initdb(target: Target, args: readonly string[]): Promise<void> {
  await promisify(execFile)(target.binaries.initdb, ['-D', target.dataDir, ...args], {
    // In the run's folder, where the cleanup looks for a killed run's processes.
    cwd: target.dataDir,
    env: postgresEnvironment(),
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    ...(target.user ?? {}),
  });
}

/** An empty cluster: superuser postgres, UTF8, C locale, loopback trusted; not yet synced. */
export async function createDataDirectory(target: Target): Promise<void> {
  await createPrivateFolder(target.dataDir, target.user);
  await initdb(target, [
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

export async function syncDataDirectory(target: Target): Promise<void> {
  await initdb(target, ['--sync-only']);
}
