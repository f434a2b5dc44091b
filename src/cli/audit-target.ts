/**
 * Resolves which audit log a command works on: its database and its state directory (checkpoints and keys, kept outside
 * the database). Both come from flags or DATABASE_URL, or else from the `platform serve` that runs on this machine:
 * serve writes them to a file in its run directory that only its user can read.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from '../sim/effects/process/cache.ts';
import { type Lease, readLease, runsFolder } from '../sim/effects/process/lease.ts';
import { isRunning } from '../sim/effects/process/process-table.ts';
import { AddressProblem, redactAddress } from '../sim/effects/testbed/addresses/address-text.ts';
import { choosePostgresHost } from '../sim/effects/testbed/addresses/choose-host.ts';
import { EnvironmentError, UsageError } from '../sim/errors.ts';
import type { Io } from './io.ts';

const TARGET_FILE = 'serve.json';
/** For each host of a list. */
const CONNECT_LIMIT_MS = 5_000;

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
  const file = path.join(lease.folder, TARGET_FILE);
  await writeFile(file, JSON.stringify({ databaseUrl, stateDirectory }), { mode: 0o600 });
}

export async function resolveAuditTarget(
  flags: { readonly database?: string; readonly state?: string },
  { env }: Pick<Io, 'env'>,
): Promise<AuditTarget> {
  const state = flags.state === undefined ? null : path.resolve(flags.state);
  const givenUrl = flags.database ?? env.DATABASE_URL;
  if (givenUrl !== undefined && givenUrl !== '') {
    const source = flags.database === undefined ? 'DATABASE_URL' : '--database';
    return { databaseUrl: await readDatabaseUrl(givenUrl, source), stateDirectory: state };
  }
  const all = await readServedTargets(env);
  const named = all.filter(({ stateDirectory }) => stateDirectory === state);
  const running = named.length > 0 ? named : all;
  const [served] = running;
  if (served === undefined)
    throw new UsageError({
      what: 'which audit log?',
      why: 'there is no --database, no DATABASE_URL, and no platform serve running here',
      next: 'platform serve, in another terminal',
    });
  if (running.length > 1)
    throw new UsageError({
      what: 'which audit log?',
      why: `${running.length} platform serve run here; each prints its state directory`,
      next: `platform audit verify --state ${served.stateDirectory}`,
    });
  return { ...served, stateDirectory: state ?? served.stateDirectory };
}

/** The address of one server, as the driver reads it; of several hosts, the one that suits. */
async function readDatabaseUrl(given: string, source: string): Promise<string> {
  try {
    return (await choosePostgresHost(given, CONNECT_LIMIT_MS)).url;
  } catch (error) {
    if (error instanceof AddressProblem)
      throw new UsageError({
        what: `${source} is not the address of a PostgreSQL: ${error.message}`,
        why: 'it takes postgresql://user:password@host:port/database',
        next: 'platform audit verify --database postgresql://127.0.0.1:5432/platform --state <dir>',
      });
    throw new EnvironmentError(
      {
        what: `cannot use ${source} ${redactAddress(given)}`,
        why: (error as Error).message,
        next: `${source} with a host that answers and suits target_session_attrs`,
      },
      { cause: error },
    );
  }
}

async function readServedTargets(env: Io['env']): Promise<AuditTarget[]> {
  const runs = runsFolder(cacheFolder({ ...env }));
  const names = await readdir(runs).catch(() => []);
  const targets = await Promise.all(
    names
      .filter((name) => name.startsWith('serve-'))
      .map((name) => readServedTarget(path.join(runs, name))),
  );
  return targets.filter((target) => target !== null);
}

async function readServedTarget(folder: string): Promise<AuditTarget | null> {
  const lease = await readLease(folder);
  if (lease === null || !isRunning(lease.owner)) return null;
  try {
    return JSON.parse(await readFile(path.join(folder, TARGET_FILE), 'utf8')) as AuditTarget;
  } catch {
    return null; // Starting, stopping, or of another user.
  }
}
