/**
 * Fairness as numbers, for checkers and reports. The Jain index measures how even a division is; max-min shares are the
 * fair division when some demand less than an even share.
 */

/** (sum x)^2 / (n sum x^2): 1 when all are equal, 1/n when one has everything. 1 when there is nothing to divide. */
export function jainIndex(values: readonly number[]): number {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares);
}

/** No share exceeds its demand, and none can grow without reducing a smaller one. */
export function maxMinShares(demands: readonly number[], capacity: number): number[] {
  const shares = demands.map(() => 0);
  const poorestFirst = demands.map((_, i) => i).sort((a, b) => demands[a]! - demands[b]!);
  let left = Math.max(0, capacity);
  for (const [served, i] of poorestFirst.entries()) {
    shares[i] = Math.min(demands[i]!, left / (demands.length - served));
    left -= shares[i]!;
  }
  return shares;
}
