/**
 * Finds and removes what dead runs left: first processes, identified by pid and start time, then the schema and keys in
 * external stores, then folders. Every step is bounded, nothing outside the cache is deleted, and two cleanups at once
 * (a reaper and the next run) are harmless.
 */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dropKeys, dropSchema } from './external-cleanup.ts';
import { type LeaseChild, type LeaseData, readLease, removeRunFiles, runsFolder } from './lease.ts';
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

/** Programs a run starts inside its folder. Others there, such as an operator's shell, are not killed. */
const OUR_PROGRAMS = /^(postgres|initdb|redis-server|valkey-server|cp|taskset)$/;

export interface Leftover {
  readonly runId: string;
  readonly folder: string;
  /** Null when the folder has no readable lease: only files are left. */
  readonly lease: LeaseData | null;
  readonly runningChildren: readonly string[];
}

async function readLeftover(folder: string): Promise<Leftover | null> {
  const info = await stat(folder).catch(() => null);
  if (!info?.isDirectory()) return null;
  if (process.getuid && info.uid !== process.getuid()) return null; // Of another account.
  const lease = await readLease(folder);
  // A young folder without a lease is being created or removed by another process.
  if (!lease && Date.now() - info.mtimeMs < 60_000) return null;
  // Another container may share the folder but not the process table.
  if (lease && (lease.host !== hostname() || isRunning(lease.owner))) return null;
  return {
    runId: path.basename(folder).replace(/^\.new-/, ''),
    folder,
    lease,
    runningChildren: runningRootsOf(folder, lease).map((child) => child.name),
  };
}

/** What still runs: children in the lease, children that were spawned too late to be in it, and marked orphans. */
function runningRootsOf(folder: string, lease: LeaseData | null): LeaseChild[] {
  const leased = (lease?.children ?? []).filter(isRunning);
  const known = new Set(
    leased.flatMap(({ pid }) => [pid, ...descendantsOf(pid).map((p) => p.pid)]),
  );
  const cache = path.dirname(path.dirname(folder));
  const unleased = [folder, ...(lease?.directories ?? []).filter((one) => isInside(one, cache))]
    .flatMap(processesIn)
    .map((stamp) => ({ ...stamp, name: commandOf(stamp.pid) ?? '' }))
    .filter(({ pid, name }) => !known.has(pid) && OUR_PROGRAMS.test(name));
  for (const { pid } of unleased) known.add(pid);
  const marked = markedProcesses(folder)
    .filter(({ pid }) => !known.has(pid))
    .map((stamp) => ({ ...stamp, name: commandOf(stamp.pid) ?? '' }));
  return [...leased, ...unleased, ...marked];
}

/** Runs whose owner is dead. */
export async function findLeftovers(cache: string): Promise<Leftover[]> {
  const names = await readdir(runsFolder(cache)).catch(() => []);
  const found = await Promise.all(
    names.map((name) => readLeftover(path.join(runsFolder(cache), name))),
  );
  return [...found.filter((leftover) => leftover !== null), ...processesOfRemovedRuns(cache)];
}

/** Processes of runs whose folder is removed already: they were being started during the cleanup. */
function processesOfRemovedRuns(cache: string): Leftover[] {
  return markedFolders()
    .filter((folder) => path.dirname(folder) === runsFolder(cache) && !existsSync(folder))
    .map((folder) => {
      const runningChildren = runningRootsOf(folder, null).map((child) => child.name);
      return { runId: path.basename(folder), folder, lease: null, runningChildren };
    });
}

/** SIGTERM, then SIGKILL after `graceMs`; PostgreSQL gets SIGQUIT, its immediate shutdown. */
async function killProcesses(roots: readonly LeaseChild[], graceMs: number): Promise<void> {
  // Descendants are listed first: backends leave their parent's process group and lose the parent.
  const all: ProcessStamp[] = roots.flatMap((child) => [child, ...descendantsOf(child.pid)]);
  for (const { pid } of all) sendSignal(pid, 'SIGCONT'); // A paused process handles no other signal.
  for (const child of roots) {
    // The lease has the node's name, which is used only where there is no /proc.
    const program = commandOf(child.pid) ?? child.name;
    sendSignal(child.pid, program.startsWith('postgres') ? 'SIGQUIT' : 'SIGTERM');
  }
  await waitUntilGone(all, graceMs);
  for (const root of roots.filter(isRunning)) sendSignal(-root.pid, 'SIGKILL');
  for (const one of all.filter(isRunning)) sendSignal(one.pid, 'SIGKILL');
  await waitUntilGone(all, 2_000);
}

async function waitUntilGone(stamps: readonly ProcessStamp[], limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (stamps.some(isRunning) && performance.now() < deadline) await sleep(20);
}

function isInside(folder: string, parent: string): boolean {
  const relative = path.relative(parent, folder);
  return relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative);
}

/** Removes everything a dead run left. Takes at most about 12 s; throws for what it could not remove. */
export async function cleanLeftover(cache: string, leftover: Leftover): Promise<void> {
  const { folder, lease } = leftover;
  for (let round = 1; round <= KILL_ROUNDS; round += 1) {
    const roots = runningRootsOf(folder, lease);
    if (roots.length === 0) break;
    await killProcesses(roots, round === 1 ? 3_000 : 0);
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
  await removeRunFiles(folder, lease && { ...lease, directories });
}

/** Cleans up after every dead run; a failure goes to `onNote` and never throws. */
export async function cleanUpLeftovers(
  cache: string,
  onNote: (text: string) => void,
): Promise<void> {
  for (const leftover of await findLeftovers(cache)) {
    try {
      await cleanLeftover(cache, leftover);
      onNote(`removed what the killed run ${leftover.runId} left behind`);
    } catch (error) {
      onNote((error as Error).message);
    }
  }
}
