/** Work per operation between two readings of the counters, ready for the report and for `cost.` objectives. */
import type { Figure } from '../result.ts';
import type { CpuSample } from './resources.ts';

export interface WorkCounts {
  readonly statements: number | null;
  readonly walBytes: number | null;
  readonly redisCommands: number | null;
}

export interface WorkSpan {
  readonly before: WorkCounts;
  readonly after: WorkCounts;
  readonly cpu: { readonly from: CpuSample; readonly to: CpuSample };
  /** Operations completed between the readings. */
  readonly operations: number;
}

export const LABELS = {
  statements: ['SQL statements', 'count'],
  walBytes: ['WAL written', 'bytes'],
  redisCommands: ['Redis commands', 'count'],
} as const;

/** Counters that could not be read, or that a restart set back, are null: a cost nobody measured is not zero. */
export function costsBetween(span: WorkSpan): Figure[] {
  const { before, after, cpu, operations } = span;
  const each = (difference: number | null) =>
    difference === null || difference < 0 || operations === 0 ? null : difference / operations;
  const counted = Object.entries(LABELS).map(([id, [label, unit]]): Figure => {
    const [from, to] = [before[id as keyof WorkCounts], after[id as keyof WorkCounts]];
    return { id, label, unit, value: each(from === null || to === null ? null : to - from) };
  });
  const processes = Object.keys(cpu.to.groups)
    .filter((name) => name !== 'sender')
    .map((name): Figure => {
      const [from, to] = [cpu.from.groups[name], cpu.to.groups[name]];
      const value = each(from === undefined || to === undefined ? null : to.cpuUs - from.cpuUs);
      return { id: `${name}Cpu`, label: `CPU of ${name}`, value, unit: 'us' };
    });
  return [...counted, ...processes];
}
