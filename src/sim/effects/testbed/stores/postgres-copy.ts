/**
 * Copies a running server's data directory for a standby, with PostgreSQL's backup functions, because the npm binaries lack
 * pg_basebackup. The WAL that makes the copy consistent is not copied; the standby streams it.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { createPrivateFolder, writePrivateFile } from '../../process/cache.ts';
import type { Lease } from '../../process/lease.ts';
import type { RunUser } from '../../process/run-user.ts';
import { removeSharedMemory } from '../../process/shared-memory.ts';
import { explainDiskFull, requireFreeSpace } from '../disk-space.ts';
import { RUN_BYTES, runCopy } from '../templates/template-store.ts';
import { withPostgres } from './postgres-client.ts';

/** For the checkpoint at the start and each step of the copy, on a loaded server. */
const LIMIT_MS = 120_000;

/** Folders whose content the server creates itself; the list is pg_basebackup's. */
const EMPTIED_FOLDERS: readonly string[] = [
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
];
const EXCLUDED_FILES: readonly string[] = [
  'postmaster.pid',
  'postmaster.opts',
  'backup_label',
  'tablespace_map',
  'standby.signal',
  'postgresql.auto.conf',
];

export interface CopyOptions {
  readonly source: { readonly url: string; readonly dataDir: string };
  readonly dataDir: string;
  readonly user: RunUser | null;
  readonly lease: Lease;
}

/** Replaces the content of `dataDir` with a standby's data. Its server must be down. */
export async function copyForStandby(options: CopyOptions): Promise<void> {
  const { source, dataDir, user } = options;
  try {
    await removeSharedMemory(dataDir);
    await createPrivateFolder(dataDir, user);
    for (const entry of await readdir(dataDir)) {
      await rm(path.join(dataDir, entry), { recursive: true, force: true });
    }
    await withPostgres(source.url, LIMIT_MS, async (client) => {
      const { rows: sizes } = await client.query(
        'SELECT sum(pg_database_size(oid))::float8 AS bytes FROM pg_database',
      );
      await requireFreeSpace(dataDir, Number(sizes[0].bytes) + RUN_BYTES, 'for a standby');
      await client.query(`SELECT pg_backup_start('platform', fast => true)`);
      await copyFiles(options);
      const { rows } = await client.query(
        'SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)',
      );
      await writePrivateFile(path.join(dataDir, 'backup_label'), rows[0].labelfile, user);
      await writePrivateFile(path.join(dataDir, 'standby.signal'), '', user);
    });
  } catch (error) {
    throw await explainDiskFull(error, path.dirname(dataDir));
  }
}

async function copyFiles({ source, dataDir, user, lease }: CopyOptions): Promise<void> {
  for (const name of EMPTIED_FOLDERS) await createPrivateFolder(path.join(dataDir, name), user);
  const entries = await readdir(source.dataDir);
  const copied = entries.filter(
    (name) => !EMPTIED_FOLDERS.includes(name) && !EXCLUDED_FILES.includes(name),
  );
  await copyInto(dataDir, filesIn(source.dataDir, copied), lease);
  // pg_control last: it must not be older than the other files.
  await copyInto(
    path.join(dataDir, 'global'),
    [path.join(source.dataDir, 'global/pg_control')],
    lease,
  );
  const settings = await readFile(path.join(source.dataDir, 'postgresql.auto.conf'), 'utf8');
  // A fault may have delayed the source's replay; the copy starts without that delay.
  const kept = settings.split('\n').filter((line) => !line.startsWith('recovery_min_apply_delay'));
  await writePrivateFile(path.join(dataDir, 'postgresql.auto.conf'), kept.join('\n'), user);
  const walFolder = path.join(source.dataDir, 'pg_wal');
  const timelineFiles = (await readdir(walFolder)).filter((name) => name.endsWith('.history'));
  if (timelineFiles.length > 0)
    await copyInto(path.join(dataDir, 'pg_wal'), filesIn(walFolder, timelineFiles), lease);
}

const filesIn = (folder: string, names: readonly string[]): string[] =>
  names.map((name) => path.join(folder, name));

/** A running server may remove files during the copy; recovery replays the removal. */
async function copyInto(folder: string, files: readonly string[], lease: Lease): Promise<void> {
  await mkdir(folder, { recursive: true });
  try {
    await runCopy(['-a', ...files, folder], lease);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    const messages = (stderr ?? '').split('\n').filter((line) => line !== '');
    const areAllHarmless =
      messages.length > 0 && messages.every((line) => /No such file/.test(line));
    if (!areAllHarmless) throw error;
  }
}
