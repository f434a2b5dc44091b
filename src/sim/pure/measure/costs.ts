/** Work per operation between two readings of the counters, for the report and for `cost.` objectives. */
import type { Figure } from '../../result.ts';
import type { CpuSample } from './resources.ts';

/** A count of work that only grows: statements, commands, bytes. */
export interface WorkCounter {
  /** Unique in a testbed: `statements`; of a further store `<node>.statements`. */
  readonly id: string;
  readonly label: string;
  readonly unit: 'count' | 'bytes';
  /** Null: it could not be read. */
  readonly value: number | null;
}

export interface WorkSpan {
  readonly before: readonly WorkCounter[];
  readonly after: readonly WorkCounter[];
  readonly cpu: { readonly from: CpuSample; readonly to: CpuSample };
  /** Operations completed between the readings. */
  readonly operations: number;
}

/** A counter that could not be read, or was reset by a restart, gives null, not zero. */
export function costsBetween(span: WorkSpan): Figure[] {
  const { before, after, cpu, operations } = span;
  const perOperation = (difference: number | null) =>
    difference === null || difference < 0 || operations === 0 ? null : difference / operations;
  const counted = after.map(({ id, label, unit, value: to }): Figure => {
    const from = before.find((one) => one.id === id)?.value ?? null;
    return {
      id,
      label,
      unit,
      value: perOperation(from === null || to === null ? null : to - from),
    };
  });
  const processes = Object.keys(cpu.to.groups)
    .filter((name) => name !== 'sender')
    .map((name): Figure => {
      const [from, to] = [cpu.from.groups[name], cpu.to.groups[name]];
      const value = perOperation(
        from === undefined || to === undefined ? null : to.cpuUs - from.cpuUs,
      );
      return { id: `${name}Cpu`, label: `CPU of ${name}`, value, unit: 'us' };
    });
  return [...counted, ...processes];
}

/** Merges the counters of several stores: the first store of a kind keeps the plain id, further ones get a prefix. */
export function namedCounters(
  stores: readonly { readonly name: string; readonly counters: readonly WorkCounter[] }[],
): WorkCounter[] {
  const taken = new Set<string>();
  return stores.flatMap(({ name, counters }) =>
    counters.map((counter) => {
      const isFirst = !taken.has(counter.id);
      taken.add(counter.id);
      const { id, label } = counter;
      return isFirst ? counter : { ...counter, id: `${name}.${id}`, label: `${label}, ${name}` };
    }),
  );
}
