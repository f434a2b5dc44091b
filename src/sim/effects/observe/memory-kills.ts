/**
 * Processes that ended by a limit of the machine: killed by the kernel for lack of memory, or a generator without
 * descriptors, disk or heap. Linux counts its kills by control group and for the whole machine.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { MachineLimit } from '../../pure/judge/measurements.ts';
import { ChildFailure, type ExitNotice } from '../process/child-process.ts';

/** Kills for lack of memory so far; null where they are not counted. */
export interface MemoryKills {
  /** In the control group of this process. */
  readonly group: number | null;
  readonly machine: number | null;
}

/** `root`: of the file system. */
export function readMemoryKills(root = '/'): MemoryKills {
  const read = (...parts: string[]): string | null => {
    try {
      return readFileSync(path.join(root, ...parts), 'utf8');
    } catch {
      return null; // No such counter on this system.
    }
  };
  const count = (text: string | null): number | null => {
    const found = /^oom_kill (\d+)$/m.exec(text ?? '')?.[1];
    return found === undefined ? null : Number(found);
  };
  const groups = read('proc/self/cgroup') ?? '';
  const unified = /^0::(.*)$/m.exec(groups)?.[1] ?? '/';
  const memory = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1] ?? '/';
  return {
    group:
      count(read('sys/fs/cgroup', unified, 'memory.events')) ??
      count(read('sys/fs/cgroup/memory.events')) ??
      count(read('sys/fs/cgroup/memory', memory, 'memory.oom_control')),
    machine: count(read('proc/vmstat')),
  };
}

const hasGrown = (before: number | null, after: number | null): boolean =>
  before !== null && after !== null && after > before;

/** Null when it was not killed from outside. A shell reports the SIGKILL of its child as 137. */
function describeKill({ name, status }: ExitNotice, before: MemoryKills): string | null {
  if (!/^(killed by SIGKILL|exit status 137)$/.test(status)) return null;
  const after = readMemoryKills();
  return hasGrown(before.group, after.group) || hasGrown(before.machine, after.machine)
    ? `${name} was killed by the kernel, out of memory (OOM)`
    : `${name} was killed by a SIGKILL that this run did not send`;
}

/** Of a process of the testbed that ended by itself. What else ends it is the design's own failure. */
export function limitOfExit(notice: ExitNotice, before: MemoryKills): MachineLimit | null {
  const what = describeKill(notice, before);
  return what === null ? null : { what, isGenerator: false };
}

/** A kill in this control group that hit no process we watch: a backend of PostgreSQL, for instance. */
export function limitOfGroup(before: MemoryKills): MachineLimit[] {
  if (!hasGrown(before.group, readMemoryKills().group)) return [];
  const what = "the kernel killed a process of this run's control group, out of memory (OOM)";
  return [{ what, isGenerator: false }];
}

const GENERATORS = ['sender', 'k6'];
const OUT_OF = /\b(EMFILE|ENFILE|ENOMEM|ENOSPC|EDQUOT)\b|(heap out of memory)/;
const NAMES: Readonly<Record<string, string>> = {
  EMFILE: 'no file descriptors were left (ulimit -n)',
  ENFILE: 'the machine had no file descriptors left',
  ENOMEM: 'no memory was left',
  ENOSPC: 'the disk was full',
  EDQUOT: 'the disk quota was used up',
  'heap out of memory': "Node's heap was full",
};

/** Null when the error is not the generator's end by a limit, but a bug of ours. */
export function limitOfGenerator(error: unknown, before: MemoryKills): MachineLimit | null {
  if (!(error instanceof Error)) return null;
  const notice = error instanceof ChildFailure ? error.notice : null;
  if (notice !== null && !GENERATORS.includes(notice.name)) return null;
  const killed = notice === null ? null : describeKill(notice, before);
  if (killed !== null) return { what: `the load generator: ${killed}`, isGenerator: true };
  if (notice === null && !error.message.startsWith('the sender failed:')) return null;
  const [, code, heap] =
    OUT_OF.exec([error.message, ...(notice?.lastLines ?? [])].join('\n')) ?? [];
  const name = NAMES[code ?? heap ?? ''];
  return name === undefined
    ? null
    : { what: `the load generator ended: ${name}`, isGenerator: true };
}
