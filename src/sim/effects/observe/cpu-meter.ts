/**
 * CPU time that a group of processes used between two readings, for benches. Processes come and go meanwhile, as
 * PostgreSQL's backends do: the sum over those that are there now minus the sum over those that were there before may be
 * negative. Here each process counts its own difference, and one that ended counts by what its parent was told of it:
 * the kernel adds a child's time to its parent's `cutime` when the parent awaits it. Linux only.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Linux reports times in ticks of 1/100 s on every architecture Node supports (USER_HZ). */
const TICK_US = 10_000;

interface ProcessCpu {
  readonly parent: number;
  /** Tells it from a later process with the same pid. */
  readonly startTime: string;
  /** Of all its threads. */
  readonly ownUs: number;
  /** Of its children that have ended, with theirs. */
  readonly endedChildrenUs: number;
}

export type CpuReading = ReadonlyMap<number, ProcessCpu>;

/** Processes that have ended are left out. */
export function readCpu(pids: readonly number[]): CpuReading {
  return new Map(pids.flatMap((pid) => readProcess(pid)));
}

function readProcess(pid: number): [number, ProcessCpu][] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name may hold spaces and brackets; fields are counted after its closing bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const endedChildrenUs = (Number(fields[13]) + Number(fields[14])) * TICK_US;
    const cpu = { parent: Number(fields[1]), startTime: fields[19]!, endedChildrenUs };
    return [[pid, { ...cpu, ownUs: readThreads(pid) }]];
  } catch {
    return []; // It ended since it was listed.
  }
}

/** schedstat counts nanoseconds where stat counts ticks. */
function readThreads(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
    return sum + Number(text.split(' ', 1)[0]) / 1_000;
  }, 0);
}

/** Never negative, and a process that ended in between keeps what it used, if its parent is in both readings. */
export function cpuUsedUs(before: CpuReading, after: CpuReading): number {
  let sumUs = 0;
  for (const [pid, now] of after) {
    const then = sameProcess(before, pid, now);
    sumUs += then === null ? now.ownUs : Math.max(0, now.ownUs - then.ownUs);
    if (then !== null) sumUs += usedByEndedChildren(pid, [then, now], before, after);
  }
  return sumUs;
}

/** What ended children used is their whole time; what they had used at the first reading is subtracted. */
function usedByEndedChildren(
  parent: number,
  [then, now]: readonly [ProcessCpu, ProcessCpu],
  before: CpuReading,
  after: CpuReading,
): number {
  let usedUs = now.endedChildrenUs - then.endedChildrenUs;
  for (const [pid, child] of before) {
    if (child.parent !== parent || sameProcess(after, pid, child) !== null) continue;
    usedUs -= child.ownUs + child.endedChildrenUs;
  }
  return Math.max(0, usedUs); // Ticks are rounded.
}

function sameProcess(
  reading: CpuReading,
  pid: number,
  { startTime }: ProcessCpu,
): ProcessCpu | null {
  const found = reading.get(pid);
  return found?.startTime === startTime ? found : null;
}
