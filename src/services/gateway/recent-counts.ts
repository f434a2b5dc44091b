/**
 * Counts of about the last minute, in slices by the clock. A reading changes nothing, so every reader of /metrics sees the
 * same, and an old hour cannot hide the present minute.
 */
const SLICE_MS = 10_000;
const SLICES = 6;

export interface RecentCounts {
  add(index: number): void;
  /** By index: of the last 50 to 60 seconds. */
  sums(): number[];
}

/** `size`: how many things are counted. */
export function createRecentCounts(size: number, monotonicMs: () => number): RecentCounts {
  const slices = Array.from({ length: SLICES }, () => new Array<number>(size).fill(0));
  let current = Math.floor(monotonicMs() / SLICE_MS);
  const moveOn = () => {
    const slice = Math.floor(monotonicMs() / SLICE_MS);
    // More than all of them need not be emptied twice.
    for (let next = Math.max(current, slice - SLICES) + 1; next <= slice; next += 1)
      slices[next % SLICES]!.fill(0);
    current = slice;
  };
  return {
    add(index) {
      moveOn();
      slices[current % SLICES]![index]! += 1;
    },
    sums() {
      moveOn();
      return Array.from({ length: size }, (_, index) =>
        slices.reduce((sum, slice) => sum + slice[index]!, 0),
      );
    },
  };
}
