/**
 * Finds and removes what dead runs left: first the processes, proven by their start time, then folders, then the
 * schema and keys in external stores. Everything is bounded, nothing outside the cache is deleted, and doing it
 * twice at once (a reaper and the next run) is harmless.
 */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dropKeys, dropSchema } from './external-cleanup.ts';
import { type LeaseChild, type LeaseData, readLease, removeLeased, runsFolder } from './lease.ts';
import {
  commandOf,
  descendantsOf,
  isRunning,
  type ProcessStamp,
  processesIn,
  sendSignal,
} from './process-table.ts';
import { markedFolders, markedProcesses } from './run-marker.ts';

/** A process that forks while it is being killed is found in the next round. */
const KILL_ROUNDS = 3;

/** What a run starts inside its folder. Nobody's shell is killed for standing there. */
const OUR_PROGRAMS = /^(postgres|initdb|redis-server|valkey-server|cp|taskset)$/;

export interface Leftover {
  readonly runId: string;
  readonly folder: string;
  /** Null when the folder has no readable lease: only files are left. */
  readonly lease: LeaseData | null;
  readonly runningChildren: readonly string[];
}

async function inspect(folder: string): Promise<Leftover | null> {
  const info = await stat(folder).catch(() => null);
  if (!info?.isDirectory()) return null;
  if (process.getuid && info.uid !== process.getuid()) return null; // Not ours to judge or to delete.
  const lease = await readLease(folder);
  // A folder without a lease is being made or removed right now, unless it is old.
  if (!lease && Date.now() - info.mtimeMs < 60_000) return null;
  // Another container may share the folder but not the process table.
  if (lease && (lease.host !== hostname() || isRunning(lease.owner))) return null;
  return {
    runId: path.basename(folder).replace(/^\.new-/, ''),
    folder,
    lease,
    runningChildren: headsOf(folder, lease).map((child) => child.name),
  };
}

/** What still runs: children the lease names, those that were started too late to be named, and those that left their parents. */
function headsOf(folder: string, lease: LeaseData | null): LeaseChild[] {
  const named = (lease?.children ?? []).filter(isRunning);
  const known = new Set(named.flatMap(({ pid }) => [pid, ...descendantsOf(pid).map((p) => p.pid)]));
  const cache = path.dirname(path.dirname(folder));
  const strays = [folder, ...(lease?.directories ?? []).filter((one) => isInside(one, cache))]
    .flatMap(processesIn)
    .map((stray) => ({ ...stray, name: commandOf(stray.pid) ?? '' }))
    .filter(({ pid, name }) => !known.has(pid) && OUR_PROGRAMS.test(name));
  for (const { pid } of strays) known.add(pid);
  const marked = markedProcesses(folder)
    .filter(({ pid }) => !known.has(pid))
    .map((one) => ({ ...one, name: commandOf(one.pid) ?? '' }));
  return [...named, ...strays, ...marked];
}

/** Runs whose owner is dead. */
export async function findLeftovers(cache: string): Promise<Leftover[]> {
  const names = await readdir(runsFolder(cache)).catch(() => []);
  const found = await Promise.all(names.map((name) => inspect(path.join(runsFolder(cache), name))));
  return [...found.filter((leftover) => leftover !== null), ...survivorsOf(cache)];
}

/** Processes of runs whose folder is gone already: they were being born while everything else was removed. */
function survivorsOf(cache: string): Leftover[] {
  return markedFolders()
    .filter((folder) => path.dirname(folder) === runsFolder(cache) && !existsSync(folder))
    .map((folder) => {
      const runningChildren = headsOf(folder, null).map((child) => child.name);
      return { runId: path.basename(folder), folder, lease: null, runningChildren };
    });
}

/** SIGTERM, then SIGKILL after `graceMs`; PostgreSQL gets SIGQUIT, its order to drop everything. */
async function killAll(heads: readonly LeaseChild[], graceMs: number): Promise<void> {
  // Descendants are noted first: backends leave their parent's process group and lose the parent.
  const all: ProcessStamp[] = heads.flatMap((child) => [child, ...descendantsOf(child.pid)]);
  for (const { pid } of all) sendSignal(pid, 'SIGCONT'); // A paused process cannot obey.
  for (const child of heads) {
    // The lease knows a server by its node's name; only without /proc has that to do.
    const program = commandOf(child.pid) ?? child.name;
    sendSignal(child.pid, program.startsWith('postgres') ? 'SIGQUIT' : 'SIGTERM');
  }
  await untilGone(all, graceMs);
  for (const head of heads.filter(isRunning)) sendSignal(-head.pid, 'SIGKILL');
  for (const one of all.filter(isRunning)) sendSignal(one.pid, 'SIGKILL');
  await untilGone(all, 2_000);
}

async function untilGone(stamps: readonly ProcessStamp[], limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (stamps.some(isRunning) && performance.now() < deadline) await sleep(20);
}

function isInside(folder: string, parent: string): boolean {
  const relative = path.relative(parent, folder);
  return relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative);
}

/** Removes everything a dead run left. At most about 12 s, then it throws what it could not do. */
export async function cleanLeftover(cache: string, leftover: Leftover): Promise<void> {
  const { folder, lease } = leftover;
  for (let round = 1; round <= KILL_ROUNDS; round += 1) {
    const heads = headsOf(folder, lease);
    if (heads.length === 0) break;
    await killAll(heads, round === 1 ? 3_000 : 0);
  }
  const results = await Promise.allSettled([
    lease?.external.postgres ? dropSchema(lease.external.postgres) : null,
    lease?.external.redis ? dropKeys(lease.external.redis) : null,
  ]);
  const directories = (lease?.directories ?? []).filter((one) => isInside(one, cache));
  const failures = results.filter((result) => result.status === 'rejected');
  // An unreachable external store keeps its lease, so that the next run tries again.
  if (failures.length > 0) {
    throw new AggregateError(
      failures.map((failure) => failure.reason),
      `run ${leftover.runId} left data in an external store that cannot be removed now`,
    );
  }
  await removeLeased(folder, lease && { ...lease, directories });
}

/** Cleans after every dead run; a failure is told, never fatal. */
export async function cleanStale(cache: string, onNote: (text: string) => void): Promise<void> {
  for (const leftover of await findLeftovers(cache)) {
    try {
      await cleanLeftover(cache, leftover);
      onNote(`removed what the killed run ${leftover.runId} left behind`);
    } catch (error) {
      onNote((error as Error).message);
    }
  }
}
