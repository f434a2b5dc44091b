/**
 * A copy of a running server's data directory for a standby, by PostgreSQL's backup functions: the binaries come
 * without pg_basebackup. The WAL that makes the copy consistent is not copied; the standby streams it.
 */
import { chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makePrivate } from '../../process/cache.ts';
import type { Lease } from '../../process/lease.ts';
import type { RunUser } from '../../process/run-user.ts';
import { removeSharedMemory } from '../../process/shared-memory.ts';
import { explainDiskFull, requireFreeSpace } from '../disk-space.ts';
import { withPostgres } from '../postgres-client.ts';
import { RUN_BYTES, runCopy } from '../postgres-template.ts';

/** The checkpoint at the start and each step of the copy; a loaded server takes its time. */
const LIMIT_MS = 120_000;

/** Folders whose content a server makes itself; the list is pg_basebackup's. */
const EMPTY: readonly string[] = [
  ...['pg_wal', 'pg_replslot', 'pg_dynshmem', 'pg_notify', 'pg_serial', 'pg_snapshots'],
  ...['pg_stat_tmp', 'pg_subtrans'],
];
const LEFT_OUT: readonly string[] = [
  ...['postmaster.pid', 'postmaster.opts', 'backup_label', 'tablespace_map', 'standby.signal'],
  'postgresql.auto.conf',
];

export interface CopyOptions {
  readonly source: { readonly url: string; readonly dataDir: string };
  readonly dataDir: string;
  readonly user: RunUser | null;
  readonly lease: Lease;
}

/** Fills `dataDir`, whatever it held before, with a standby's data. Its server must be down. */
export async function copyForStandby(options: CopyOptions): Promise<void> {
  const { source, dataDir, user } = options;
  try {
    await removeSharedMemory(dataDir);
    await makePrivate(dataDir, user);
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
      await writeOwned(path.join(dataDir, 'backup_label'), rows[0].labelfile, user);
      await writeOwned(path.join(dataDir, 'standby.signal'), '', user);
    });
  } catch (error) {
    throw await explainDiskFull(error, path.dirname(dataDir));
  }
}

async function writeOwned(file: string, text: string, user: RunUser | null): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  if (user) await chown(file, user.uid, user.gid);
}

async function copyFiles({ source, dataDir, user, lease }: CopyOptions): Promise<void> {
  for (const name of EMPTY) await makePrivate(path.join(dataDir, name), user);
  const entries = await readdir(source.dataDir);
  const whole = entries.filter((name) => !EMPTY.includes(name) && !LEFT_OUT.includes(name));
  await copyInto(dataDir, filesIn(source.dataDir, whole), lease);
  // Its data must not be older than the files beside it.
  await copyInto(
    path.join(dataDir, 'global'),
    [path.join(source.dataDir, 'global/pg_control')],
    lease,
  );
  const settings = await readFile(path.join(source.dataDir, 'postgresql.auto.conf'), 'utf8');
  const kept = settings.split('\n').filter((line) => !line.startsWith('recovery_min_apply_delay'));
  await writeOwned(path.join(dataDir, 'postgresql.auto.conf'), kept.join('\n'), user);
  const wal = path.join(source.dataDir, 'pg_wal');
  const timelines = (await readdir(wal)).filter((name) => name.endsWith('.history'));
  if (timelines.length > 0)
    await copyInto(path.join(dataDir, 'pg_wal'), filesIn(wal, timelines), lease);
}

const filesIn = (folder: string, names: readonly string[]): string[] =>
  names.map((name) => path.join(folder, name));

/** A running server removes files while they are copied; recovery knows what became of them. */
async function copyInto(folder: string, files: readonly string[], lease: Lease): Promise<void> {
  await mkdir(folder, { recursive: true });
  try {
    await runCopy(['-a', ...files, folder], lease);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    const complaints = (stderr ?? '').split('\n').filter((line) => line !== '');
    const harmless = complaints.length > 0 && complaints.every((line) => /No such file/.test(line));
    if (!harmless) throw error;
  }
}
