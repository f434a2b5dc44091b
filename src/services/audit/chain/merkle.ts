/**
 * The Merkle tree of RFC 6962 over the leaves of a block: it proves that one record is in the block with about
 * log2(records) hashes and without showing the others. Nodes are SHA-256(0x01 || left || right); leaves have another
 * prefix, so a node can never pass for a record.
 */
import { hash } from 'node:crypto';

const pair = Buffer.alloc(65);
pair[0] = 0x01;

function nodeOf(left: Buffer, right: Buffer): Buffer {
  left.copy(pair, 1);
  right.copy(pair, 33);
  return hash('sha256', pair, 'buffer');
}

/** One level up; a last one without a partner rises as it is, which is where RFC 6962 splits. */
function above(level: readonly Buffer[]): Buffer[] {
  const next: Buffer[] = [];
  for (let i = 0; i + 1 < level.length; i += 2) next.push(nodeOf(level[i]!, level[i + 1]!));
  if (level.length % 2 === 1) next.push(level.at(-1)!);
  return next;
}

export const leafBytes = 32;

export const merkleRoot = (leaves: readonly Buffer[]): Buffer =>
  rootOfPacked(Buffer.concat(leaves));

/**
 * The root over leaves that lie one behind the other; each level overwrites the one below, so what was given is gone.
 * A block is sealed and verified with it: a buffer for every node would cost four times the hashing.
 */
export function rootOfPacked(level: Buffer): Buffer {
  if (level.length === 0) return hash('sha256', level, 'buffer');
  let count = level.length / leafBytes;
  while (count > 1) {
    const odd = count % 2;
    for (let to = 0; to < count - odd; to += 2) {
      level.copy(pair, 1, to * leafBytes, (to + 2) * leafBytes);
      level.write(hash('sha256', pair, 'binary'), (to / 2) * leafBytes, 'binary');
    }
    const half = (count - odd) / 2;
    if (odd === 1) level.copyWithin(half * leafBytes, (count - 1) * leafBytes, count * leafBytes);
    count = half + odd;
  }
  return Buffer.from(level.subarray(0, leafBytes));
}

/** The siblings from the leaf up to the root. */
export function inclusionPath(leaves: readonly Buffer[], index: number): Buffer[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length)
    throw new RangeError(`no leaf ${index} in a tree of ${leaves.length}`);
  const path: Buffer[] = [];
  let at = index;
  for (let level = leaves; level.length > 1; level = above(level)) {
    const sibling = level[at % 2 === 0 ? at + 1 : at - 1];
    if (sibling) path.push(sibling);
    at = Math.floor(at / 2);
  }
  return path;
}

export interface LeafPlace {
  readonly leaf: Buffer;
  readonly index: number;
  /** Leaves in the tree. */
  readonly size: number;
}

/** The root this path leads to; null when it has too few or too many hashes for such a tree. */
export function rootFromPath(place: LeafPlace, path: readonly Buffer[]): Buffer | null {
  const { leaf, index, size } = place;
  if (!Number.isInteger(index) || index < 0 || index >= size) return null;
  if (path.some((sibling) => sibling.length !== 32)) return null;
  let node = leaf;
  let used = 0;
  for (let at = index, width = size; width > 1; at = Math.floor(at / 2)) {
    if (at % 2 === 1 || at + 1 < width) {
      const sibling = path[used++];
      if (!sibling) return null;
      node = at % 2 === 1 ? nodeOf(sibling, node) : nodeOf(node, sibling);
    }
    width = Math.ceil(width / 2);
  }
  return used === path.length ? node : null;
}
