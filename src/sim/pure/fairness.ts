/** How even a division is: Jain's index, 1 when all parts are the same and 1/n when one has everything. */
export function jainIndex(parts: readonly number[]): number {
  const sum = parts.reduce((all, part) => all + part, 0);
  const squares = parts.reduce((all, part) => all + part * part, 0);
  // Nobody has anything, and so nobody has more than another.
  return squares === 0 ? 1 : (sum * sum) / (parts.length * squares);
}
