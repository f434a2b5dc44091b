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

/** Whether the signature of a checkpoint is accepted. */
export type SignatureCheck = (
  checkpoint: Checkpoint,
  keys: ReadonlyMap<string, KeyObject>,
) => boolean;

export const isSignedByKnownKey: SignatureCheck = (checkpoint, keys) => {
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
  readonly isTrusted: SignatureCheck;
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
async function walkTo(walk: ShardWalk | undefined, blockNumber: bigint): Promise<Block | null> {
  let block = walk?.progress().block ?? null;
  while (walk && (block === null || block.number < blockNumber)) {
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
  const previousHead = agreed.get(shard) ?? noAgreedHead;
  const block = await walkTo(walk, BigInt(head.blocks));
  const progress = walk?.progress() ?? { block: null, blocks: 0, records: 0n };
  /** Of the first record and block after `since`. */
  const addFinding = (kind: FindingKind, since: AgreedHead, detail: string) => {
    differing.add(shard);
    const where = { shard, sequence: since.records + 1n, block: since.blocks + 1n };
    const at = kind === 'log-behind' || !block ? null : endOf(block);
    check.findings.add({ kind, ...where, checkpoint: line, detail }, at);
  };
  if (!block) {
    const end = { blocks: progress.block?.number ?? 0n, records: progress.records };
    const signed = `${head.blocks} blocks with ${head.records} records`;
    addFinding('log-behind', end, `ends here; the checkpoint has ${signed}`);
  } else if (block.number > BigInt(head.blocks)) {
    addFinding(
      'checkpoint-order',
      previousHead,
      `counts ${head.blocks} blocks, fewer than one before`,
    );
  } else if (block.hash.toString('hex') !== head.head || `${progress.records}` !== head.records) {
    const range = `blocks ${previousHead.blocks + 1n} to ${block.number}`;
    addFinding('checkpoint-mismatch', previousHead, `${range} differ from the signed ones`);
  } else agreed.set(shard, { blocks: block.number, records: progress.records });
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
  /** Of the witnessed lines that are in the file. */
  readonly foundDigests: ReadonlySet<string>;
}

async function readLines(
  state: CompareState,
  keys: ReadonlyMap<string, KeyObject>,
): Promise<LinesRead> {
  const { check } = state;
  const witnessedDigests = new Set(check.witnessed.map(checkpointDigest));
  const foundDigests = new Set<string>();
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
    if (witnessedDigests.has(digest)) foundDigests.add(digest);
    const checkpoint = tryReadCheckpoint(line);
    if (typeof checkpoint === 'string') add('checkpoint-unreadable', checkpoint);
    else {
      if (checkpoint.previous !== previous)
        add('checkpoint-order', 'does not follow the line before: the digest it names is another');
      if (check.isTrusted(checkpoint, keys)) {
        const atMs = Date.parse(checkpoint.at);
        if (atMs < newestMs) add('checkpoint-order', `made at ${checkpoint.at}, before one before`);
        newestMs = Math.max(newestMs, atMs);
        trusted += 1;
        for (const head of checkpoint.shards) await compareHead(state, head, count);
      } else add('checkpoint-signature', `not by a known key; it names key ${checkpoint.keyId}`);
    }
    previous = digest;
  }
  return { count, trusted, foundDigests };
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
    return; // verify-blocks.ts has reported the invalid time.
  }
  uncovered.newestUs = Math.max(uncovered.newestUs, us);
  if (!uncovered.oldest || us < uncovered.oldest.us) uncovered.oldest = { block, us };
}

/** Reads every shard to its end; the blocks without a checkpoint may span at most `maxUncheckpointedMs`. */
async function walkToEnd(state: CompareState, canReportUncovered: boolean): Promise<void> {
  const { check, agreed, differing } = state;
  const uncovered: Uncovered = { oldest: null, newestUs: Number.NEGATIVE_INFINITY };
  for (const walk of check.walks.values()) {
    const covered = agreed.get(walk.shard)?.blocks ?? 0n;
    for (let block = walk.progress().block ?? (await walk.next()); block; block = await walk.next())
      if (block.number > covered && !differing.has(walk.shard)) addUncovered(uncovered, block);
  }
  const { oldest, newestUs } = uncovered;
  if (!canReportUncovered || !oldest) return;
  const spanMs = (newestUs - oldest.us) / 1_000;
  if (spanMs <= check.maxUncheckpointedMs) return;
  const { shard, firstSequence: sequence, number, members } = oldest.block;
  const detail = `no checkpoint has this block, nor ${Math.round(spanMs / 1_000)} s of blocks after it`;
  const where = { shard, sequence, block: number, eventId: eventIdAt(members, 0) };
  check.findings.add({ kind: 'checkpoint-rolled-back', ...where, detail }, endOf(oldest.block));
}

/** Every line that was kept elsewhere must still be in the file. */
function checkWitnessed(state: CompareState, { count, foundDigests }: LinesRead): void {
  const { check } = state;
  for (const line of check.witnessed) {
    if (foundDigests.has(checkpointDigest(line))) continue;
    const { at, shards } = readCheckpoint(line);
    const lost = shards.find(({ shard, blocks }) => {
      const reachedBlock = check.walks.get(shard)?.progress().block?.number ?? 0n;
      return reachedBlock < BigInt(blocks);
    });
    const progress = lost && check.walks.get(lost.shard)?.progress();
    check.findings.add(
      {
        kind: 'checkpoint-rolled-back',
        shard: lost?.shard ?? null,
        sequence: lost ? (progress?.records ?? 0n) + 1n : null,
        block: lost ? (progress?.block?.number ?? 0n) + 1n : null,
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
  // If the file has lines and none is trusted, the signature findings suffice.
  await walkToEnd(state, lines.trusted > 0 || lines.count === 0);
  checkWitnessed(state, lines);
  return lines.count;
}
