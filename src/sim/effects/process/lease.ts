/**
 * A lease says what a run owns: child processes, folders, a schema and keys in somebody else's database. It is
 * written before or in the same tick as the thing itself, so whoever finds the lease of a dead owner can remove
 * everything. The reaper does so within seconds of a kill -9; the next run does if the reaper died as well.
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
  /** Removes the run's folders and lets the reaper go. The children must be gone. */
  release(): Promise<void>;
}

export const leaseFile = (folder: string): string => path.join(folder, 'lease.json');
export const runsFolder = (cache: string): string => path.join(cache, 'runs');

function write(folder: string, data: LeaseData): void {
  const temporary = path.join(folder, '.lease.json.new');
  writeFileSync(temporary, JSON.stringify(data), { mode: 0o600 });
  renameSync(temporary, leaseFile(folder));
}

/** Waits on its standard input, which closes when this process dies, however it dies. */
function startReaper(folder: string): ChildProcess | null {
  const module = distModule('sim/effects/process/reaper.js');
  if (!existsSync(module)) return null; // Sources without a build: the next run still cleans up.
  const reaper = spawn(process.execPath, [module, folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  reaper.on('error', () => {}); // No reaper is a lost convenience; cleanStale remains.
  reaper.stdin!.on('error', () => {}); // EPIPE when the reaper was killed.
  reaper.unref();
  (reaper.stdin as unknown as { unref(): void }).unref();
  return reaper;
}

/** Takes a lease for `runId`; its folder appears complete or not at all. */
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
  const fresh = path.join(runsFolder(cache), `.new-${runId}`);
  mkdirSync(fresh, { recursive: true });
  for (const passable of [runsFolder(cache), fresh]) chmodSync(passable, 0o755);
  write(fresh, data);
  try {
    renameSync(fresh, folder);
  } catch (cause) {
    rmSync(fresh, { recursive: true, force: true });
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
      await removeLeased(folder, data);
      reaper?.stdin?.end();
    },
  };
}

/** PostgreSQL's data directories: `data`, or `data-<node>` where there are several. */
async function dataDirectoriesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch(() => []);
  return entries.filter((name) => /^data(-|$)/.test(name)).map((name) => path.join(folder, name));
}

/** Removes what a lease owns on disk; lease.json goes last, so that an interrupted removal is found again. */
export async function removeLeased(folder: string, data: LeaseData | null): Promise<void> {
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
    return null; // Missing or unreadable: only files can be left.
  }
}
