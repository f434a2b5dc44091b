/**
 * Work that was done in vain for each address of late, in runs; half of it is forgotten each minute. Bounded: beyond
 * `MAX_ADDRESSES` the one whose work is the longest ago is forgotten.
 */
const HALF_LIFE_MS = 60_000;
const MAX_ADDRESSES = 10_000;

export interface Waste {
  of(address: string): number;
  /** Never below 0. */
  add(address: string, runs: number): void;
}

export function createWaste(monotonicMs: () => number): Waste {
  const known = new Map<string, { readonly runs: number; readonly atMs: number }>();
  const wasteOf = (address: string): number => {
    const { runs, atMs } = known.get(address) ?? { runs: 0, atMs: 0 };
    return runs === 0 ? 0 : runs * 2 ** ((atMs - monotonicMs()) / HALF_LIFE_MS);
  };
  return {
    of: wasteOf,
    add(address, runs) {
      const sum = wasteOf(address) + runs;
      // Deleted first, so that the order is that of the last work.
      known.delete(address);
      if (sum > 0) known.set(address, { runs: sum, atMs: monotonicMs() });
      if (known.size <= MAX_ADDRESSES) return;
      const oldest = known.keys().next();
      if (!oldest.done) known.delete(oldest.value);
    },
  };
}
