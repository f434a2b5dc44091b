/**
 * Compares the checkpoints with the chain in one forward pass over both: for each signed line every shard is read up to
 * the block it names, so memory does not grow. Only lines signed with a given key are compared; any other line is itself
 * a finding.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { type Block, endOf, eventIdAt } from './block.ts';
import {
  type Checkpoint,
  checkpointDigest,
  genesisDigest,
  isSignedBy,
  keyIdOf,
  readCheckpoint,
  type ShardHead,
} from './checkpoint.ts';
import { unixMicroseconds } from './encoding.ts';
import type { Findings } from './findings.ts';
import type { FindingKind, LogSource } from './verification.ts';
import type { ShardWalk } from './verify-blocks.ts';

export type Trust = (checkpoint: Checkpoint, keys: ReadonlyMap<string, KeyObject>) => boolean;

export const signedByKnownKey: Trust = (checkpoint, keys) => {
  const key = keys.get(checkpoint.keyId);
  return key !== undefined && isSignedBy(checkpoint, key);
};

export interface CheckpointCheck {
  readonly source: Pick<LogSource, 'checkpoints'>;
  readonly walks: ReadonlyMap<number, ShardWalk>;
  readonly findings: Findings;
  readonly publicKeys: readonly string[];
  readonly witnessed: readonly string[];
  readonly maxUncheckpointedMs: number;
  readonly trust: Trust;
}

/** The newest head of a shard that equals a signed one. */
interface AgreedHead {
  readonly blocks: bigint;
  readonly records: bigint;
}

const noAgreedHead: AgreedHead = { blocks: 0n, records: 0n };

interface CompareState {
  readonly check: CheckpointCheck;
  readonly agreed: Map<number, AgreedHead>;
  /** Shards with a finding: later lines would only repeat it. */
  readonly differing: Set<number>;
}

/** Reads a shard up to a block number. Null when the chain ends before it. */
async function walkTo(walk: ShardWalk | undefined, blocks: bigint): Promise<Block | null> {
  let block = walk?.reached().block ?? null;
  while (walk && (block === null || block.number < blocks)) {
    const next = await walk.next();
    if (!next) return null;
    block = next;
  }
  return block;
}

async function compareHead(state: CompareState, head: ShardHead, line: number): Promise<void> {
  const { check, agreed, differing } = state;
  const { shard } = head;
  if (differing.has(shard)) return;
  const walk = check.walks.get(shard);
  const before = agreed.get(shard) ?? noAgreedHead;
  const block = await walkTo(walk, BigInt(head.blocks));
  const reached = walk?.reached() ?? { block: null, blocks: 0, records: 0n };
  const found = (kind: FindingKind, since: AgreedHead, detail: string) => {
    differing.add(shard);
    const where = { shard, sequence: since.records + 1n, block: since.blocks + 1n };
    const at = kind === 'log-behind' || !block ? null : endOf(block);
    check.findings.add({ kind, ...where, checkpoint: line, detail }, at);
  };
  if (!block) {
    const end = { blocks: reached.block?.number ?? 0n, records: reached.records };
    const signed = `${head.blocks} blocks with ${head.records} records`;
    found('log-behind', end, `ends here; the checkpoint has ${signed}`);
  } else if (block.number > BigInt(head.blocks)) {
    found('checkpoint-order', before, `counts ${head.blocks} blocks, fewer than one before`);
  } else if (block.hash.toString('hex') !== head.head || `${reached.records}` !== head.records) {
    const range = `blocks ${before.blocks + 1n} to ${block.number}`;
    found('checkpoint-mismatch', before, `${range} differ from the signed ones`);
  } else agreed.set(shard, { blocks: block.number, records: reached.records });
}

function tryReadCheckpoint(line: string): Checkpoint | string {
  try {
    return readCheckpoint(line);
  } catch (error) {
    return (error as Error).message;
  }
}

interface LinesRead {
  readonly count: number;
  readonly trusted: number;
  readonly digests: ReadonlySet<string>;
}

async function readLines(
  state: CompareState,
  keys: ReadonlyMap<string, KeyObject>,
): Promise<LinesRead> {
  const { check } = state;
  const wanted = new Set(check.witnessed.map(checkpointDigest));
  const digests = new Set<string>();
  let previous = genesisDigest;
  let count = 0;
  let trusted = 0;
  let newestMs = Number.NEGATIVE_INFINITY;
  for await (const line of check.source.checkpoints()) {
    count += 1;
    const add = (kind: FindingKind, detail: string) =>
      check.findings.add(
        { kind, shard: null, sequence: null, block: null, checkpoint: count, detail },
        null,
      );
    const digest = checkpointDigest(line);
    if (wanted.has(digest)) digests.add(digest);
    const checkpoint = tryReadCheckpoint(line);
    if (typeof checkpoint === 'string') add('checkpoint-unreadable', checkpoint);
    else {
      if (checkpoint.previous !== previous)
        add('checkpoint-order', 'does not follow the line before: the digest it names is another');
      if (check.trust(checkpoint, keys)) {
        const atMs = Date.parse(checkpoint.at);
        if (atMs < newestMs) add('checkpoint-order', `made at ${checkpoint.at}, before one before`);
        newestMs = Math.max(newestMs, atMs);
        trusted += 1;
        for (const head of checkpoint.shards) await compareHead(state, head, count);
      } else add('checkpoint-signature', `not by a known key; it names key ${checkpoint.keyId}`);
    }
    previous = digest;
  }
  return { count, trusted, digests };
}

/** Blocks after the newest agreed head: the oldest of them, and the time of the newest. */
interface Uncovered {
  oldest: { readonly block: Block; readonly us: number } | null;
  newestUs: number;
}

function addUncovered(uncovered: Uncovered, block: Block): void {
  let us: number;
  try {
    us = unixMicroseconds(block.sequencedAt);
  } catch {
    return; // The walk has reported it.
  }
  uncovered.newestUs = Math.max(uncovered.newestUs, us);
  if (!uncovered.oldest || us < uncovered.oldest.us) uncovered.oldest = { block, us };
}

/** Reads every shard to its end; the blocks without a checkpoint may span at most `maxUncheckpointedMs`. */
async function walkToEnd(state: CompareState, reportsUncovered: boolean): Promise<void> {
  const { check, agreed, differing } = state;
  const uncovered: Uncovered = { oldest: null, newestUs: Number.NEGATIVE_INFINITY };
  for (const walk of check.walks.values()) {
    const covered = agreed.get(walk.shard)?.blocks ?? 0n;
    for (let block = walk.reached().block ?? (await walk.next()); block; block = await walk.next())
      if (block.number > covered && !differing.has(walk.shard)) addUncovered(uncovered, block);
  }
  const { oldest, newestUs } = uncovered;
  if (!reportsUncovered || !oldest) return;
  const spanMs = (newestUs - oldest.us) / 1_000;
  if (spanMs <= check.maxUncheckpointedMs) return;
  const { shard, firstSequence: sequence, number, members } = oldest.block;
  const detail = `no checkpoint has this block, nor ${Math.round(spanMs / 1_000)} s of blocks after it`;
  const where = { shard, sequence, block: number, eventId: eventIdAt(members, 0) };
  check.findings.add({ kind: 'checkpoint-rolled-back', ...where, detail }, endOf(oldest.block));
}

/** Every line that was kept elsewhere must still be in the file. */
function checkWitnessed(state: CompareState, { count, digests }: LinesRead): void {
  const { check } = state;
  for (const line of check.witnessed) {
    if (digests.has(checkpointDigest(line))) continue;
    const { at, shards } = readCheckpoint(line);
    const lost = shards.find(({ shard, blocks }) => {
      const reachedBlock = check.walks.get(shard)?.reached().block?.number ?? 0n;
      return reachedBlock < BigInt(blocks);
    });
    const reached = lost && check.walks.get(lost.shard)?.reached();
    check.findings.add(
      {
        kind: 'checkpoint-rolled-back',
        shard: lost?.shard ?? null,
        sequence: lost ? (reached?.records ?? 0n) + 1n : null,
        block: lost ? (reached?.block?.number ?? 0n) + 1n : null,
        checkpoint: count + 1,
        detail: `the checkpoint of ${at}, kept elsewhere, is not in the file`,
      },
      null,
    );
  }
}

/** Reads every shard to its end. Resolves to the number of checkpoints. */
export async function verifyCheckpoints(check: CheckpointCheck): Promise<number> {
  const keys = new Map(check.publicKeys.map((pem) => [keyIdOf(pem), createPublicKey(pem)]));
  const state: CompareState = { check, agreed: new Map(), differing: new Set() };
  const lines = await readLines(state, keys);
  // If no line is trusted, the signature findings suffice.
  await walkToEnd(state, lines.trusted > 0 || lines.count === 0);
  checkWitnessed(state, lines);
  return lines.count;
}
