/** CPU and memory for the report: per process in the judged phase, and over time. */
import type { ArmResult, ProcessResources } from '../../result.ts';

/** CPU time since the sampler's start and memory now, by process name. */
export interface CpuSample {
  readonly atUs: number;
  readonly groups: Readonly<Record<string, { readonly cpuUs: number; readonly rssBytes: number }>>;
  /** The whole machine; absent where it cannot be read. */
  readonly machine?: {
    /** CPU time of all processes since the machine's start. */
    readonly busyUs: number;
    /** Taken by the hypervisor for other machines. */
    readonly stolenUs: number;
    /** Of the sampling process, which is in no group. */
    readonly ownUs: number;
    readonly cores: number;
  };
}

/** Cores used by other processes, and by other machines of the same host. */
export interface OtherCpu {
  readonly usedCores: number;
  readonly stolenCores: number;
  readonly cores: number;
}

const BUCKET_US = 1_000_000;

export function resourcesBetween(
  { from, to }: { readonly from: CpuSample; readonly to: CpuSample },
  cores: Readonly<Record<string, string>>,
): Record<string, Omit<ProcessResources, 'cpuUsPerOperation'>> {
  return Object.fromEntries(
    Object.entries(to.groups).map(([name, usage]) => [
      name,
      {
        cpuPercent: cpuPercentBetween(from, to, name) ?? 0,
        // For a process that ended within the phase, memory is the reading before it.
        rssBytes: usage.rssBytes || (from.groups[name]?.rssBytes ?? 0),
        cores: cores[name] ?? 'any',
      },
    ]),
  );
}

/** Percent of one core per second of the arm; null where no sample fell. */
export function resourceTimeline(
  samples: readonly CpuSample[],
  span: { readonly startUs: number; readonly endUs: number },
): ArmResult['resourceTimeline'] {
  const columns = Math.max(1, Math.ceil((span.endUs - span.startUs) / BUCKET_US));
  const edges: CpuSample[] = [];
  const processes: Record<string, (number | null)[]> = {};
  for (const name of Object.keys(samples.at(-1)?.groups ?? {})) {
    processes[name] = new Array<number | null>(columns).fill(null);
  }
  for (let column = 0; column <= columns; column++) {
    const edgeUs = span.startUs + column * BUCKET_US;
    const nearest = samples.findLast((sample) => sample.atUs <= edgeUs) ?? samples[0];
    if (nearest === undefined) break;
    edges.push(nearest);
    const previous = edges.at(-2);
    if (previous === undefined) continue;
    for (const [name, values] of Object.entries(processes)) {
      values[column - 1] = cpuPercentBetween(previous, nearest, name);
    }
  }
  return { bucketUs: BUCKET_US, processes };
}

/** Percent of one core between two samples; null when the process is missing from either. */
export function cpuPercentBetween(from: CpuSample, to: CpuSample, group: string): number | null {
  const a = from.groups[group];
  const b = to.groups[group];
  if (a === undefined || b === undefined || to.atUs <= from.atUs) return null;
  return ((b.cpuUs - a.cpuUs) / (to.atUs - from.atUs)) * 100;
}

/** Null when the machine's CPU time cannot be read. */
export function otherCpuBetween(from: CpuSample, to: CpuSample): OtherCpu | null {
  if (from.machine === undefined || to.machine === undefined || to.atUs <= from.atUs) return null;
  const us = to.atUs - from.atUs;
  const groupsUs = Object.entries(to.groups)
    .map(([name, { cpuUs }]) => cpuUs - (from.groups[name]?.cpuUs ?? 0))
    .reduce((sum, one) => sum + one, 0);
  const ownUs = to.machine.ownUs - from.machine.ownUs;
  // Ticks are 10 ms; over a short time the difference may come out below zero.
  const otherUs = Math.max(0, to.machine.busyUs - from.machine.busyUs - groupsUs - ownUs);
  return {
    usedCores: otherUs / us,
    stolenCores: (to.machine.stolenUs - from.machine.stolenUs) / us,
    cores: to.machine.cores,
  };
}
