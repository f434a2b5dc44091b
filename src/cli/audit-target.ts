/**
 * Resolves the log of an audit command: its database and its state directory (checkpoints and keys, kept outside the
 * database). Taken from flags, from DATABASE_URL, or from the `platform serve` that runs on this machine, which writes a
 * file into its run directory that only its user can read.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from '../sim/effects/process/cache.ts';
import { type Lease, readLease, runsFolder } from '../sim/effects/process/lease.ts';
import { isRunning } from '../sim/effects/process/process-table.ts';
import { UsageError } from '../sim/errors.ts';
import type { Io } from './io.ts';

const SERVED_FILE = 'serve.json';

export interface AuditTarget {
  readonly databaseUrl: string;
  /** Null: not known. */
  readonly stateDirectory: string | null;
}

/** Lets audit commands find the log of a running `platform serve`. Removed with the run directory. */
export async function publishTarget(
  lease: Pick<Lease, 'folder'>,
  { databaseUrl, stateDirectory }: AuditTarget,
): Promise<void> {
  const file = path.join(lease.folder, SERVED_FILE);
  await writeFile(file, JSON.stringify({ databaseUrl, stateDirectory }), { mode: 0o600 });
}

export async function resolveAuditTarget(
  flags: { readonly database?: string; readonly state?: string },
  { env }: Pick<Io, 'env'>,
): Promise<AuditTarget> {
  const state = flags.state === undefined ? null : path.resolve(flags.state);
  const named = flags.database ?? env.DATABASE_URL;
  if (named !== undefined && named !== '') {
    assertUrl(named, flags.database === undefined ? 'DATABASE_URL' : '--database');
    return { databaseUrl: named, stateDirectory: state };
  }
  const [served, ...others] = await readServedTargets(env);
  if (served === undefined)
    throw new UsageError({
      what: 'which audit log?',
      why: 'there is no --database, no DATABASE_URL, and no platform serve running here',
      next: 'platform serve, in another terminal',
    });
  if (others.length > 0)
    throw new UsageError({
      what: 'which audit log?',
      why: `${others.length + 1} platform serve run here; each prints its --database and --state`,
      next: `platform audit verify --database '${served.databaseUrl}' --state ${served.stateDirectory}`,
    });
  return { ...served, stateDirectory: state ?? served.stateDirectory };
}

function assertUrl(text: string, from: string): void {
  const isPostgres = URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol);
  if (isPostgres) return;
  throw new UsageError({
    what: `${from} is not the address of a PostgreSQL`,
    why: 'it takes postgresql://user:password@host:port/database',
    next: 'platform audit verify --database postgresql://127.0.0.1:5432/platform --state <dir>',
  });
}

async function readServedTargets(env: Io['env']): Promise<AuditTarget[]> {
  const runs = runsFolder(cacheFolder({ ...env }));
  const names = await readdir(runs).catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => name.startsWith('serve-'))
      .map((name) => readServedTarget(path.join(runs, name))),
  );
  return found.filter((target) => target !== null);
}

async function readServedTarget(folder: string): Promise<AuditTarget | null> {
  const lease = await readLease(folder);
  if (lease === null || !isRunning(lease.owner)) return null;
  try {
    return JSON.parse(await readFile(path.join(folder, SERVED_FILE), 'utf8')) as AuditTarget;
  } catch {
    return null; // Starting, stopping, or of another user.
  }
}
