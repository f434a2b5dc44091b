/**
 * Facts about running processes. The system reuses pids, so a process is identified by pid and start time; a process in
 * a lease is killed only if both match. A zombie counts as ended.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import path from 'node:path';

export interface ProcessStamp {
  readonly pid: number;
  /** Opaque; comparable only on one machine between two boots. */
  readonly startTime: string;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly startTime: string;
  readonly cpuTicks: number;
}

/** Linux reports times in ticks of 1/100 s on every architecture Node supports (USER_HZ). */
const TICK_US = 10_000;
const PAGE_BYTES = 4_096;

const isLinux = process.platform === 'linux';

function readStat(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses itself; fields count from behind it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const cpuTicks = Number(fields[11]) + Number(fields[12]);
    return { state: fields[0]!, parent: Number(fields[1]), startTime: fields[19]!, cpuTicks };
  } catch {
    return null; // Not running.
  }
}

function ps(args: readonly string[]): string {
  try {
    return execFileSync('ps', args, {
      encoding: 'utf8',
      timeout: 5_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return ''; // ps exits 1 when no process matches.
  }
}

/** Null when the process has ended. */
export function startTimeOf(pid: number): string | null {
  if (isLinux) {
    const stat = readStat(pid);
    return stat && stat.state !== 'Z' && stat.state !== 'X' ? stat.startTime : null;
  }
  const line = ps(['-o', 'stat=,lstart=', '-p', String(pid)]).trim();
  return line === '' || line.startsWith('Z') ? null : line.replace(/^\S+\s+/, '');
}

export function isRunning(stamp: ProcessStamp): boolean {
  return startTimeOf(stamp.pid) === stamp.startTime;
}

/** True while SIGSTOP holds the process. */
export function isPaused(pid: number): boolean {
  if (isLinux) return readStat(pid)?.state === 'T';
  return ps(['-o', 'stat=', '-p', String(pid)])
    .trim()
    .startsWith('T');
}

/** CPU time since its start; null when it has ended, or where it is not read to the tick. */
export function cpuTimeUsOf(pid: number): number | null {
  const stat = isLinux ? readStat(pid) : null;
  return stat === null ? null : stat.cpuTicks * TICK_US;
}

/** Memory in use; null when it has ended, or there is no /proc. */
export function rssBytesOf(pid: number): number | null {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    return Number.isFinite(pages) ? pages * PAGE_BYTES : null;
  } catch {
    return null;
  }
}

export function parentOf(pid: number): number | null {
  if (isLinux) return readStat(pid)?.parent ?? null;
  const text = ps(['-o', 'ppid=', '-p', String(pid)]).trim();
  return text === '' ? null : Number(text);
}

/** Name of the program, `postgres`; null when the process has ended or there is no /proc. */
export function commandOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return null; // Gone, or no /proc.
  }
}

/** Numeric account the process runs under; -1 when it is gone, or there is no /proc. */
export function userOf(pid: number): number {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? -1;
}

export function childrenOf(pid: number): number[] {
  if (!isLinux) {
    return ps(['-A', '-o', 'pid=,ppid='])
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number))
      .filter(([, parent]) => parent === pid)
      .map(([child]) => child!);
  }
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    // A kernel without CONFIG_PROC_CHILDREN, or the process is gone.
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && readStat(Number(name))?.parent === pid)
      .map(Number);
  }
}

/** The process's descendants with their start times, nearest first. */
export function descendantsOf(pid: number): ProcessStamp[] {
  const found: ProcessStamp[] = [];
  let level = childrenOf(pid);
  while (level.length > 0) {
    for (const child of level) {
      const startTime = startTimeOf(child);
      if (startTime !== null) found.push({ pid: child, startTime });
    }
    level = level.flatMap(childrenOf);
  }
  return found;
}

/**
 * Processes whose working directory is `folder` or below it: the only trace of a child whose parent was killed before it
 * could write the child to the lease. Linux only; empty elsewhere.
 */
export function processesIn(folder: string): ProcessStamp[] {
  if (!isLinux) return [];
  const found: ProcessStamp[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const place = readlinkSync(`/proc/${name}/cwd`).replace(/ \(deleted\)$/, '');
      if (place !== folder && !place.startsWith(folder + path.sep)) continue;
    } catch {
      continue; // Ended, or of another account.
    }
    const startTime = startTimeOf(Number(name));
    if (startTime !== null) found.push({ pid: Number(name), startTime });
  }
  return found;
}

/** Sends a signal; false when the process has ended. A negative pid names a process group. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // ESRCH: already gone, which is what the caller wants.
  }
}
