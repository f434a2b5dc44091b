/**
 * Which log an audit command is about: its database, and the state directory beside it (checkpoints and keys, which
 * are elsewhere on purpose). Named by flags, by DATABASE_URL, or by the `platform serve` that runs on this machine,
 * which says so in a file of its lease, for its user alone.
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
  /** Null: not known; commands that need none do without. */
  readonly stateDirectory: string | null;
}

/** Tells the audit commands where a running `platform serve` keeps its log. Goes with the lease. */
export async function announceTarget(
  lease: Pick<Lease, 'folder'>,
  { databaseUrl, stateDirectory }: AuditTarget,
): Promise<void> {
  const file = path.join(lease.folder, SERVED_FILE);
  await writeFile(file, JSON.stringify({ databaseUrl, stateDirectory }), { mode: 0o600 });
}

export async function auditTarget(
  flags: { readonly database?: string; readonly state?: string },
  { env }: Pick<Io, 'env'>,
): Promise<AuditTarget> {
  const state = flags.state === undefined ? null : path.resolve(flags.state);
  const named = flags.database ?? env.DATABASE_URL;
  if (named !== undefined && named !== '') {
    assertUrl(named, flags.database === undefined ? 'DATABASE_URL' : '--database');
    return { databaseUrl: named, stateDirectory: state };
  }
  const [served, ...others] = await servedTargets(env);
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

async function servedTargets(env: Io['env']): Promise<AuditTarget[]> {
  const runs = runsFolder(cacheFolder({ ...env }));
  const names = await readdir(runs).catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => name.startsWith('serve-'))
      .map((name) => servedTarget(path.join(runs, name))),
  );
  return found.filter((target) => target !== null);
}

async function servedTarget(folder: string): Promise<AuditTarget | null> {
  const lease = await readLease(folder);
  if (lease === null || !isRunning(lease.owner)) return null;
  try {
    return JSON.parse(await readFile(path.join(folder, SERVED_FILE), 'utf8')) as AuditTarget;
  } catch {
    return null; // Starting, stopping, or of another user.
  }
}
