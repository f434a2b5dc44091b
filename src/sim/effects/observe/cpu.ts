/**
 * CPU time and memory of groups of processes, sampled at a fixed interval. A group is a function, because PostgreSQL's
 * backends come and go; the time of an ended process stays in the group's total.
 * Linux reads /proc; elsewhere one `ps` per sample.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { CpuSample } from '../../pure/measure/resources.ts';

/** Linux reports times in ticks of 1/100 s on every architecture Node supports (USER_HZ). */
const TICK_US = 10_000;

type GroupUsage = CpuSample['groups'][string];

interface ProcessUsage extends GroupUsage {
  /** Tells a process from a later one with the same pid; empty where only `ps` is read. */
  readonly startTime: string;
}

export interface CpuSampler {
  readonly samples: readonly CpuSample[];
  /** Takes one sample now and returns it. */
  sample(): CpuSample;
  stop(): void;
}

export interface CpuSamplerOptions {
  readonly groups: Readonly<Record<string, () => readonly number[]>>;
  /** Clock of the history, microseconds. */
  readonly nowUs: () => number;
  readonly intervalMs: number;
  /** Called once for each process of a group, when it is first seen. */
  readonly onProcess?: (pid: number) => void;
}

export function startCpuSampler(options: CpuSamplerOptions): CpuSampler {
  const { groups, nowUs, intervalMs, onProcess = () => {} } = options;
  const samples: CpuSample[] = [];
  const lastByPid = new Map<number, ProcessUsage>();
  const totals = new Map<string, number>();

  const sample = (): CpuSample => {
    const atUs = nowUs();
    const usage: Record<string, GroupUsage> = {};
    for (const [name, pids] of Object.entries(groups)) {
      let rssBytes = 0;
      for (const [pid, process] of readUsage(pids())) {
        // A process first seen after the start counts with its whole CPU time: it was started during the run.
        const last = lastByPid.get(pid);
        const isNew = last?.startTime !== process.startTime;
        if (isNew) onProcess(pid);
        const unseenUs = samples.length === 0 ? process.cpuUs : 0;
        const previousUs = isNew ? unseenUs : last.cpuUs;
        totals.set(name, (totals.get(name) ?? 0) + Math.max(0, process.cpuUs - previousUs));
        lastByPid.set(pid, process);
        rssBytes += process.rssBytes;
      }
      usage[name] = { cpuUs: totals.get(name) ?? 0, rssBytes };
    }
    const reading = { atUs, groups: usage, ...readMachine() };
    samples.push(reading);
    return reading;
  };

  sample();
  const timer = setInterval(sample, intervalMs);
  timer.unref();
  return { samples, sample, stop: () => clearInterval(timer) };
}

/** CPU time of the whole machine since its start, and of this process; empty where there is no /proc/stat. */
function readMachine(): Pick<CpuSample, 'machine'> {
  if (process.platform !== 'linux') return {};
  try {
    const lines = readFileSync('/proc/stat', 'latin1').split('\n');
    const ticks = lines[0]!.split(/\s+/).slice(1).map(Number);
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks;
    const own = process.cpuUsage();
    const machine = {
      busyUs: (user + nice + system + irq + softirq) * TICK_US,
      stolenUs: steal * TICK_US,
      ownUs: own.user + own.system,
      cores: lines.filter((line) => /^cpu\d/.test(line)).length,
    };
    return { machine };
  } catch {
    return {}; // A container may hide it; CPU time of other programs is then unknown.
  }
}

function readUsage(pids: readonly number[]): Map<number, ProcessUsage> {
  return process.platform === 'linux' ? readProc(pids) : readPs(pids);
}

function readProc(pids: readonly number[]): Map<number, ProcessUsage> {
  const usage = new Map<number, ProcessUsage>();
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      // The command name may hold spaces and brackets; fields are counted after its closing bracket.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      usage.set(pid, {
        cpuUs: (Number(fields[11]) + Number(fields[12])) * TICK_US,
        rssBytes: Number(fields[21]) * 4_096,
        startTime: fields[19]!,
      });
    } catch {
      // The process ended between listing and reading; its last total is kept.
    }
  }
  return usage;
}

function readPs(pids: readonly number[]): Map<number, ProcessUsage> {
  const usage = new Map<number, ProcessUsage>();
  if (pids.length === 0) return usage;
  try {
    const out = execFileSync('ps', ['-o', 'pid=,rss=,time=', '-p', pids.join(',')], {
      encoding: 'utf8',
      timeout: 2_000,
    });
    for (const line of out.trim().split('\n')) {
      const [pid, rss, time] = line.trim().split(/\s+/);
      const parts = (time ?? '0').split(/[:-]/).map(Number);
      const seconds = parts.reduce((total, part) => total * 60 + part, 0);
      const cpuUs = seconds * 1_000_000;
      usage.set(Number(pid), { cpuUs, rssBytes: Number(rss) * 1_024, startTime: '' });
    }
  } catch {
    // ps exits non-zero when every process has ended.
  }
  return usage;
}
