import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inclusionPath, merkleRoot, rootFromPath } from './merkle.ts';

const sha256 = (...parts: (Buffer | string)[]) => {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  return digest.digest();
};
const leavesOf = (count: number) => Array.from({ length: count }, (_, i) => sha256(`leaf ${i}`));

/** RFC 6962, section 2.1, word for word: split at the largest power of two below n. */
function rootByDefinition(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  const left = rootByDefinition(leaves.slice(0, k));
  return sha256(Buffer.of(1), left, rootByDefinition(leaves.slice(k)));
}

describe('the Merkle tree', () => {
  it('has the root RFC 6962 defines, for all sizes to 70', () => {
    for (let size = 1; size <= 70; size += 1)
      expect(merkleRoot(leavesOf(size))).toEqual(rootByDefinition(leavesOf(size)));
    expect(merkleRoot([])).toEqual(sha256(''));
  });

  it('has a path from every leaf to the root, and from no other place, for all sizes to 70', () => {
    for (let size = 1; size <= 70; size += 1) {
      const leaves = leavesOf(size);
      const root = merkleRoot(leaves);
      for (let index = 0; index < size; index += 1) {
        const path = inclusionPath(leaves, index);
        expect(path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
        const leaf = leaves[index]!;
        expect(rootFromPath({ leaf, index, size }, path)).toEqual(root);
        for (const other of [index - 1, index + 1])
          expect(rootFromPath({ leaf, index: other, size }, path)).not.toEqual(root);
      }
    }
  });

  it('accepts no path that was changed, cut or made longer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(), fc.nat(), (size, a, b) => {
        const leaves = leavesOf(size);
        const root = merkleRoot(leaves);
        const index = a % size;
        const place = { leaf: leaves[index]!, index, size };
        const path = inclusionPath(leaves, index);
        const changed = path.map((hash) => Buffer.from(hash));
        changed[b % changed.length]![b % 32]! ^= 1;
        expect(rootFromPath(place, changed)).not.toEqual(root);
        expect(rootFromPath(place, path.slice(1))).toBeNull();
        expect(rootFromPath(place, [...path, sha256('more')])).toBeNull();
        expect(rootFromPath({ ...place, leaf: sha256('other') }, path)).not.toEqual(root);
      }),
    );
  });

  it('refuses a place outside the tree', () => {
    expect(() => inclusionPath(leavesOf(3), 3)).toThrow(RangeError);
    expect(rootFromPath({ leaf: sha256('x'), index: 1, size: 1 }, [])).toBeNull();
    expect(rootFromPath({ leaf: sha256('x'), index: 0.5, size: 2 }, [])).toBeNull();
  });
});
