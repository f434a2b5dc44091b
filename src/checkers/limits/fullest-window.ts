/**
 * The most units in any half-open window (e - W, e]. Each unit was taken at some instant between `fromUs` and `toUs`:
 * equal where the limiter's own clock is known, from sending to answer where it is not. A unit counts only if its whole
 * interval is in the window, so every finding is certain.
 * O(n log n): one pass in order of `toUs`, sums by rank of `fromUs`.
 */
export interface TimedUnits {
  readonly requestId: string;
  readonly weight: number;
  readonly fromUs: number;
  readonly toUs: number;
}

export interface FullestWindow<T extends TimedUnits> {
  /** Units in the fullest window. */
  readonly maxUnits: number;
  /** Units taken in windows that were already full. */
  readonly excess: number;
  /** The first and the last event in the fullest window; null when nothing was taken. */
  readonly ends: { readonly first: T; readonly last: T } | null;
}

export function findFullestWindow<T extends TimedUnits>(
  taken: readonly T[],
  options: { limit: number; windowUs: number },
): FullestWindow<T> {
  const byFrom = taken.toSorted((a, b) => a.fromUs - b.fromUs);
  const fromsUs = byFrom.map(({ fromUs }) => fromUs);
  const rankOf = new Map(byFrom.map((unit, rank) => [unit, rank]));
  const sums = new RankedSums(byFrom.length);
  let maxUnits = 0;
  let excess = 0;
  let last: T | null = null;
  for (const unit of taken.toSorted((a, b) => a.toUs - b.toUs || a.fromUs - b.fromUs)) {
    sums.add(rankOf.get(unit)!, unit.weight);
    const inside = sums.total - sums.before(countAtMost(fromsUs, unit.toUs - options.windowUs));
    excess += Math.min(unit.weight, Math.max(0, inside - options.limit));
    if (inside > maxUnits) {
      maxUnits = inside;
      last = unit;
    }
  }
  if (last === null) return { maxUnits, excess, ends: null };
  const first = byFrom[countAtMost(fromsUs, last.toUs - options.windowUs)]!;
  return { maxUnits, excess, ends: { first, last } };
}

/** The number of sorted values that are at most `value`. */
export function countAtMost(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Sums the units whose instant is at most a given one. */
export function unitsAtMost<Taken extends TimedUnits>(
  taken: readonly Taken[],
  instant: (event: Taken) => number,
): (atUs: number) => number {
  const sorted = taken.toSorted((a, b) => instant(a) - instant(b));
  const instants = sorted.map(instant);
  const sums = [0];
  for (const { weight } of sorted) sums.push(sums.at(-1)! + weight);
  return (atUs) => sums[countAtMost(instants, atUs)]!;
}

/** Prefix sums by rank: a Fenwick tree. */
class RankedSums {
  readonly #tree: Float64Array;
  total = 0;

  constructor(size: number) {
    this.#tree = new Float64Array(size + 1);
  }

  add(rank: number, value: number): void {
    this.total += value;
    for (let at = rank + 1; at < this.#tree.length; at += at & -at) this.#tree[at]! += value;
  }

  /** The sum of the ranks below `rank`. */
  before(rank: number): number {
    let sum = 0;
    for (let at = rank; at > 0; at -= at & -at) sum += this.#tree[at]!;
    return sum;
  }
}
