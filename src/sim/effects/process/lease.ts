/**
 * The lease of a run lists what it owns: child processes, folders, a schema and keys in the operator's database. Each
 * entry is written before, or in the same tick as, what it names, so that everything of a dead owner can be removed. The
 * reaper does so within seconds of a kill -9; if the reaper died as well, the next run does.
 *
 *   <cache>/runs/<runId>/lease.json    0600, may hold a database password
 *   <cache>/runs/<runId>/...           data directory and work files of the run
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { distModule } from './package-root.ts';
import { type ProcessStamp, startTimeOf } from './process-table.ts';
import { removeSharedMemory } from './shared-memory.ts';

export interface LeaseChild extends ProcessStamp {
  readonly name: string;
}

/** What a run made inside an external PostgreSQL or Redis. */
export interface ExternalClaim {
  readonly postgres?: { readonly url: string; readonly schema: string };
  readonly redis?: { readonly url: string; readonly prefix: string };
}

export interface LeaseData {
  readonly schema: 'platform-sim/lease@1';
  readonly runId: string;
  readonly host: string;
  readonly owner: ProcessStamp;
  readonly children: readonly LeaseChild[];
  /** Folders outside the run's own, always inside the cache. */
  readonly directories: readonly string[];
  readonly external: ExternalClaim;
}

export interface Lease {
  readonly runId: string;
  readonly folder: string;
  readonly cache: string;
  /** Synchronous: called in the tick that spawned the child. */
  addChild(child: { readonly pid: number; readonly name: string }): void;
  removeChild(pid: number): void;
  addDirectory(directory: string): void;
  removeDirectory(directory: string): void;
  addExternal(claim: ExternalClaim): void;
  /** Removes the run's folders and ends the reaper. The children must have ended. */
  release(): Promise<void>;
}

export const leaseFile = (folder: string): string => path.join(folder, 'lease.json');
export const runsFolder = (cache: string): string => path.join(cache, 'runs');

function write(folder: string, data: LeaseData): void {
  const temporary = path.join(folder, '.lease.json.new');
  writeFileSync(temporary, JSON.stringify(data), { mode: 0o600 });
  renameSync(temporary, leaseFile(folder));
}

/** The reaper reads its standard input, which closes when this process ends in any way. */
function startReaper(folder: string): ChildProcess | null {
  const module = distModule('sim/effects/process/reaper.js');
  if (!existsSync(module)) return null; // Sources without a build: the next run still cleans up.
  const reaper = spawn(process.execPath, [module, folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  reaper.on('error', () => {}); // Without a reaper the next run's cleanUpLeftovers does the work.
  reaper.stdin!.on('error', () => {}); // EPIPE when the reaper was killed.
  reaper.unref();
  (reaper.stdin as unknown as { unref(): void }).unref();
  return reaper;
}

/** Creates the lease of `runId`; its folder appears by one rename, complete or not at all. */
export function createLease(options: { runId: string; cache: string; reaper?: boolean }): Lease {
  const { runId, cache } = options;
  const folder = path.join(runsFolder(cache), runId);
  const owner = { pid: process.pid, startTime: startTimeOf(process.pid)! };
  let data: LeaseData = {
    schema: 'platform-sim/lease@1',
    runId,
    host: hostname(),
    owner,
    children: [],
    directories: [],
    external: {},
  };
  const temporary = path.join(runsFolder(cache), `.new-${runId}`);
  mkdirSync(temporary, { recursive: true });
  for (const parent of [runsFolder(cache), temporary]) chmodSync(parent, 0o755);
  write(temporary, data);
  try {
    renameSync(temporary, folder);
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    throw new Error(`run id ${runId} is in use`, { cause });
  }
  const reaper = options.reaper === false ? null : startReaper(folder);
  const update = (change: Partial<LeaseData>): void => {
    data = { ...data, ...change };
    write(folder, data);
  };
  return {
    runId,
    folder,
    cache,
    addChild({ pid, name }) {
      const startTime = startTimeOf(pid);
      if (startTime !== null) update({ children: [...data.children, { pid, startTime, name }] });
    },
    removeChild: (pid) => update({ children: data.children.filter((child) => child.pid !== pid) }),
    addDirectory: (directory) => update({ directories: [...data.directories, directory] }),
    removeDirectory: (directory) =>
      update({ directories: data.directories.filter((one) => one !== directory) }),
    addExternal: (claim) => update({ external: { ...data.external, ...claim } }),
    async release() {
      await removeRunFiles(folder, data);
      reaper?.stdin?.end();
    },
  };
}

/** PostgreSQL's data directories: `data`, or `data-<node>` where there are several. */
async function dataDirectoriesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch(() => []);
  return entries.filter((name) => /^data(-|$)/.test(name)).map((name) => path.join(folder, name));
}

/** Removes a lease's files; lease.json last, so that an interrupted removal is found by the next run. */
export async function removeRunFiles(folder: string, data: LeaseData | null): Promise<void> {
  for (const owner of [folder, ...(data?.directories ?? [])]) {
    for (const dataDir of await dataDirectoriesIn(owner)) await removeSharedMemory(dataDir);
  }
  for (const directory of data?.directories ?? []) {
    await rm(directory, { recursive: true, force: true });
  }
  const entries = await readdir(folder).catch(() => []);
  for (const entry of entries.filter((name) => name !== 'lease.json')) {
    await rm(path.join(folder, entry), { recursive: true, force: true });
  }
  await rm(folder, { recursive: true, force: true });
}

/** Null when there is no readable lease. */
export async function readLease(folder: string): Promise<LeaseData | null> {
  try {
    const data = JSON.parse(await readFile(leaseFile(folder), 'utf8')) as LeaseData;
    return data.schema === 'platform-sim/lease@1' ? data : null;
  } catch {
    return null; // Missing or unreadable: there are only files to remove.
  }
}
