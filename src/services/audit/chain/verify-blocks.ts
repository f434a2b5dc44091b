/**
 * Verifies the chain of one shard block by block: number, hash, link, root and sequence of every block. Each check is a
 * function of its own, so that tests can remove one and show which attack it detects.
 */
import {
  type Block,
  endOf,
  eventIdAt,
  genesisHash,
  hashOfBlock,
  isAfter,
  MEMBER_BYTES,
  rootOfMembers,
} from './block.ts';
import { unixMicroseconds } from './encoding.ts';
import type { Findings } from './findings.ts';
import type { FindingKind } from './verification.ts';

interface BlockProblem {
  readonly kind: FindingKind;
  readonly detail: string;
}

export type BlockCheck = (previous: Block | null, block: Block) => BlockProblem | null;

const problem = (kind: FindingKind, detail: string): BlockProblem => ({ kind, detail });

function numberCheck(previous: Block | null, { number }: Block): BlockProblem | null {
  const expected = (previous?.number ?? 0n) + 1n;
  if (number === expected) return null;
  return problem('block-missing', `block ${expected} is missing: the next one is ${number}`);
}

function hashCheck(_previous: Block | null, block: Block): BlockProblem | null {
  if (block.version !== 1) return problem('block-changed', `version ${block.version} is not known`);
  if (block.records < 1 || block.members.length !== block.records * MEMBER_BYTES)
    return problem('block-changed', `does not hold the ${block.records} members it counts`);
  if (hashOfBlock(block).equals(block.hash)) return null;
  return problem('block-changed', 'the hash of the block is not that of its header');
}

function linkCheck(previous: Block | null, block: Block): BlockProblem | null {
  if (block.previous.equals(previous?.hash ?? genesisHash)) return null;
  return problem('link-broken', 'does not link to the previous block: it names another hash');
}

function rootCheck(_previous: Block | null, block: Block): BlockProblem | null {
  if (rootOfMembers(block.members).equals(block.root)) return null;
  return problem('root-mismatch', 'the leaves of the members do not lead to the root');
}

function sequenceCheck(previous: Block | null, { firstSequence }: Block): BlockProblem | null {
  const expected = previous ? previous.firstSequence + BigInt(previous.records) : 1n;
  if (firstSequence === expected) return null;
  return problem('sequence-gap', `begins at sequence ${firstSequence}, not ${expected}`);
}

function orderCheck(previous: Block | null, block: Block): BlockProblem | null {
  if (!previous) return null;
  if (!isAfter(endOf(block), endOf(previous)))
    return problem('order-broken', 'does not end after the previous block');
  if (unixMicroseconds(block.sequencedAt) < unixMicroseconds(previous.sequencedAt))
    return problem('order-broken', `sequenced at ${block.sequencedAt}, before the previous block`);
  return null;
}

export const blockChecks = {
  numberCheck,
  hashCheck,
  linkCheck,
  rootCheck,
  sequenceCheck,
  orderCheck,
} as const satisfies Readonly<Record<string, BlockCheck>>;

/** How far a shard was read. */
export interface WalkProgress {
  /** The last block that was read. */
  readonly block: Block | null;
  readonly blocks: number;
  /** Sequence of the last record, according to the blocks. */
  readonly records: bigint;
}

/** Reads the blocks of a shard in order and adds a finding for every failed check. */
export interface ShardWalk {
  readonly shard: number;
  progress(): WalkProgress;
  /** Checks the next block and resolves to it; null after the last. */
  next(): Promise<Block | null>;
  close(): Promise<void>;
}

export interface WalkOptions {
  readonly shard: number;
  readonly blocks: AsyncIterable<Block>;
  readonly checks: readonly BlockCheck[];
  readonly findings: Findings;
}

function runCheck(check: BlockCheck, previous: Block | null, block: Block): BlockProblem | null {
  try {
    return check(previous, block);
  } catch (error) {
    // A number that does not fit its field or an invalid time: the sequencer never writes these.
    return problem('block-changed', `cannot be encoded: ${(error as Error).message}`);
  }
}

export function walkShard({ shard, blocks, checks, findings }: WalkOptions): ShardWalk {
  const iterator = blocks[Symbol.asyncIterator]();
  let progress: WalkProgress = { block: null, blocks: 0, records: 0n };

  return {
    shard,
    progress: () => progress,

    async next() {
      const { value: block, done } = await iterator.next();
      if (done) return null;
      for (const check of checks) {
        const found = runCheck(check, progress.block, block);
        if (!found) continue;
        const eventId = block.members.length >= MEMBER_BYTES && eventIdAt(block.members, 0);
        const sequence = progress.records + 1n;
        const where = { shard, sequence, block: block.number };
        findings.add({ ...found, ...where, ...(eventId && { eventId }) }, endOf(block));
      }
      progress = {
        block,
        blocks: progress.blocks + 1,
        records: block.firstSequence + BigInt(block.records) - 1n,
      };
      return block;
    },

    async close() {
      await iterator.return?.();
    },
  };
}
