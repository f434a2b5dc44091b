/**
 * The Merkle tree of RFC 6962 over the leaves of a block: about log2(records) hashes prove that one record is in the
 * block, without showing the others. Nodes are SHA-256(0x01 || left || right); leaves have another prefix, so no node
 * can be presented as a record.
 */
import { hash } from 'node:crypto';

const nodeInput = Buffer.alloc(65);
nodeInput[0] = 0x01;

function nodeOf(left: Buffer, right: Buffer): Buffer {
  left.copy(nodeInput, 1);
  right.copy(nodeInput, 33);
  return hash('sha256', nodeInput, 'buffer');
}

/** The last node of an odd level moves up unchanged, which equals the split of RFC 6962. */
function parentLevel(level: readonly Buffer[]): Buffer[] {
  const next: Buffer[] = [];
  for (let i = 0; i + 1 < level.length; i += 2) next.push(nodeOf(level[i]!, level[i + 1]!));
  if (level.length % 2 === 1) next.push(level.at(-1)!);
  return next;
}

export const LEAF_BYTES = 32;

export const merkleRoot = (leaves: readonly Buffer[]): Buffer =>
  merkleRootInPlace(Buffer.concat(leaves));

/**
 * The root over concatenated leaves. Overwrites its input: each level replaces the one below, because a buffer for
 * every node would cost four times the hashing.
 */
export function merkleRootInPlace(level: Buffer): Buffer {
  if (level.length === 0) return hash('sha256', level, 'buffer');
  let count = level.length / LEAF_BYTES;
  while (count > 1) {
    const odd = count % 2;
    for (let to = 0; to < count - odd; to += 2) {
      level.copy(nodeInput, 1, to * LEAF_BYTES, (to + 2) * LEAF_BYTES);
      level.write(hash('sha256', nodeInput, 'binary'), (to / 2) * LEAF_BYTES, 'binary');
    }
    const half = (count - odd) / 2;
    if (odd === 1)
      level.copyWithin(half * LEAF_BYTES, (count - 1) * LEAF_BYTES, count * LEAF_BYTES);
    count = half + odd;
  }
  return Buffer.from(level.subarray(0, LEAF_BYTES));
}

/** The siblings of the nodes on the way from the leaf up to the root. */
export function inclusionPath(leaves: readonly Buffer[], index: number): Buffer[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length)
    throw new RangeError(`no leaf ${index} in a tree of ${leaves.length}`);
  const path: Buffer[] = [];
  let at = index;
  for (let level = leaves; level.length > 1; level = parentLevel(level)) {
    const sibling = level[at % 2 === 0 ? at + 1 : at - 1];
    if (sibling) path.push(sibling);
    at = Math.floor(at / 2);
  }
  return path;
}

export interface LeafPosition {
  readonly leaf: Buffer;
  readonly index: number;
  /** Leaves in the tree. */
  readonly size: number;
}

/** The root that follows from leaf and path; null when the path has the wrong length for the tree. */
export function rootFromPath(position: LeafPosition, path: readonly Buffer[]): Buffer | null {
  const { leaf, index, size } = position;
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
