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
  memberBytes,
  rootOfMembers,
} from './block.ts';
import { unixMicroseconds } from './encoding.ts';
import type { Findings } from './findings.ts';
import type { FindingKind } from './verification.ts';

interface Fault {
  readonly kind: FindingKind;
  readonly detail: string;
}

export type BlockCheck = (previous: Block | null, block: Block) => Fault | null;

const fault = (kind: FindingKind, detail: string): Fault => ({ kind, detail });

function numberCheck(previous: Block | null, { number }: Block): Fault | null {
  const expected = (previous?.number ?? 0n) + 1n;
  if (number === expected) return null;
  return fault('block-missing', `block ${expected} is missing: the next one is ${number}`);
}

function hashCheck(_previous: Block | null, block: Block): Fault | null {
  if (block.version !== 1) return fault('block-changed', `version ${block.version} is not known`);
  if (block.records < 1 || block.members.length !== block.records * memberBytes)
    return fault('block-changed', `does not hold the ${block.records} members it counts`);
  if (hashOfBlock(block).equals(block.hash)) return null;
  return fault('block-changed', 'the hash of the block is not that of its header');
}

function linkCheck(previous: Block | null, block: Block): Fault | null {
  if (block.previous.equals(previous?.hash ?? genesisHash)) return null;
  return fault('link-broken', 'does not link to the previous block: it names another hash');
}

function rootCheck(_previous: Block | null, block: Block): Fault | null {
  if (rootOfMembers(block.members).equals(block.root)) return null;
  return fault('root-mismatch', 'the leaves of the members do not lead to the root');
}

function sequenceCheck(previous: Block | null, { firstSequence }: Block): Fault | null {
  const expected = previous ? previous.firstSequence + BigInt(previous.records) : 1n;
  if (firstSequence === expected) return null;
  return fault('sequence-gap', `begins at sequence ${firstSequence}, not ${expected}`);
}

function orderCheck(previous: Block | null, block: Block): Fault | null {
  if (!previous) return null;
  if (!isAfter(endOf(block), endOf(previous)))
    return fault('order-broken', 'does not end after the previous block');
  if (unixMicroseconds(block.sequencedAt) < unixMicroseconds(previous.sequencedAt))
    return fault('order-broken', `sequenced at ${block.sequencedAt}, before the previous block`);
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

/** State of a shard up to and including `block`. */
export interface Reached {
  readonly block: Block | null;
  readonly blocks: number;
  /** According to the blocks. */
  readonly records: bigint;
}

export interface ShardWalk {
  readonly shard: number;
  reached(): Reached;
  /** The next block, checked; null after the last. */
  next(): Promise<Block | null>;
  close(): Promise<void>;
}

export interface WalkOptions {
  readonly shard: number;
  readonly blocks: AsyncIterable<Block>;
  readonly checks: readonly BlockCheck[];
  readonly findings: Findings;
}

function runCheck(check: BlockCheck, previous: Block | null, block: Block): Fault | null {
  try {
    return check(previous, block);
  } catch (error) {
    // A number that does not fit its field or an invalid time: the sequencer never writes these.
    return fault('block-changed', `cannot be encoded: ${(error as Error).message}`);
  }
}

export function walkShard({ shard, blocks, checks, findings }: WalkOptions): ShardWalk {
  const iterator = blocks[Symbol.asyncIterator]();
  let reached: Reached = { block: null, blocks: 0, records: 0n };

  return {
    shard,
    reached: () => reached,

    async next() {
      const { value: block, done } = await iterator.next();
      if (done) return null;
      for (const check of checks) {
        const found = runCheck(check, reached.block, block);
        if (!found) continue;
        const eventId = block.members.length >= memberBytes && eventIdAt(block.members, 0);
        const sequence = reached.records + 1n;
        const where = { shard, sequence, block: block.number };
        findings.add({ ...found, ...where, ...(eventId && { eventId }) }, endOf(block));
      }
      reached = {
        block,
        blocks: reached.blocks + 1,
        records: block.firstSequence + BigInt(block.records) - 1n,
      };
      return block;
    },

    async close() {
      await iterator.return?.();
    },
  };
}
