/**
 * The most units in any half-open window (e - W, e]. Each unit was taken at some instant between `fromUs` and
 * `toUs`: one and the same where the limiter's own clock is known, from the sending to the answer where it is not.
 * A unit counts only when it is in the window wherever it lies, so that what is found is definite.
 * O(n log n): one pass in order of `toUs`, sums by rank of `fromUs`.
 */
export interface Taken {
  readonly requestId: string;
  readonly weight: number;
  readonly fromUs: number;
  readonly toUs: number;
}

export interface Crowding<T extends Taken> {
  /** Units in the fullest window. */
  readonly worst: number;
  /** Units taken in windows that were full by then. */
  readonly excess: number;
  /** The first and the last in the fullest window; null when nothing was taken. */
  readonly ends: { readonly first: T; readonly last: T } | null;
}

export function crowding<T extends Taken>(
  taken: readonly T[],
  given: { limit: number; windowUs: number },
): Crowding<T> {
  const byFrom = taken.toSorted((a, b) => a.fromUs - b.fromUs);
  const froms = byFrom.map(({ fromUs }) => fromUs);
  const rankOf = new Map(byFrom.map((unit, rank) => [unit, rank]));
  const sums = new RankedSums(byFrom.length);
  let worst = 0;
  let excess = 0;
  let last: T | null = null;
  for (const unit of taken.toSorted((a, b) => a.toUs - b.toUs || a.fromUs - b.fromUs)) {
    sums.add(rankOf.get(unit)!, unit.weight);
    const inside = sums.total - sums.before(countUpTo(froms, unit.toUs - given.windowUs));
    excess += Math.min(unit.weight, Math.max(0, inside - given.limit));
    if (inside > worst) {
      worst = inside;
      last = unit;
    }
  }
  if (last === null) return { worst, excess, ends: null };
  const first = byFrom[countUpTo(froms, last.toUs - given.windowUs)]!;
  return { worst, excess, ends: { first, last } };
}

/** How many of the sorted values are at most `value`. */
export function countUpTo(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A Fenwick tree. */
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

  /** Of the ranks below `rank`. */
  before(rank: number): number {
    let sum = 0;
    for (let at = rank; at > 0; at -= at & -at) sum += this.#tree[at]!;
    return sum;
  }
}
