/**
 * The checkpoints against the chain, both read forwards once and side by side: for each signed line every shard is
 * walked to the block it names, so memory does not grow with either. Only a line signed with a key we were given says
 * anything about the log; one that is not is itself the finding.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { type Block, endOf, eventIdAt } from './block.ts';
import {
  type Checkpoint,
  checkpointDigest,
  isSignedBy,
  keyIdOf,
  noCheckpoint,
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

/** The newest head of a shard that a signed line and the chain agree about. */
interface Agreed {
  readonly blocks: bigint;
  readonly records: bigint;
}

const nothingAgreed: Agreed = { blocks: 0n, records: 0n };

interface State {
  readonly check: CheckpointCheck;
  readonly agreed: Map<number, Agreed>;
  /** Shards that were found to differ: later lines would only repeat it. */
  readonly differing: Set<number>;
}

/** Walks a shard to a block; the first block at or behind it, or null when the chain ends before. */
async function walkTo(walk: ShardWalk | undefined, blocks: bigint): Promise<Block | null> {
  let block = walk?.reached().block ?? null;
  while (walk && (block === null || block.number < blocks)) {
    const next = await walk.next();
    if (!next) return null;
    block = next;
  }
  return block;
}

async function compareHead(state: State, head: ShardHead, line: number): Promise<void> {
  const { check, agreed, differing } = state;
  const { shard } = head;
  if (differing.has(shard)) return;
  const walk = check.walks.get(shard);
  const before = agreed.get(shard) ?? nothingAgreed;
  const block = await walkTo(walk, BigInt(head.blocks));
  const reached = walk?.reached() ?? { block: null, blocks: 0, records: 0n };
  const found = (kind: FindingKind, since: Agreed, detail: string) => {
    differing.add(shard);
    const where = { shard, sequence: since.records + 1n, block: since.blocks + 1n };
    const at = kind === 'log-behind' || !block ? null : endOf(block);
    check.findings.add({ kind, ...where, checkpoint: line, detail }, at);
  };
  if (!block) {
    const has = { blocks: reached.block?.number ?? 0n, records: reached.records };
    const promised = `${head.blocks} blocks with ${head.records} records`;
    found('log-behind', has, `ends here; the checkpoint has ${promised}`);
  } else if (block.number > BigInt(head.blocks)) {
    found('checkpoint-order', before, `counts ${head.blocks} blocks, fewer than one before`);
  } else if (block.hash.toString('hex') !== head.head || `${reached.records}` !== head.records) {
    const stretch = `blocks ${before.blocks + 1n} to ${block.number}`;
    found('checkpoint-mismatch', before, `${stretch} are not those that were signed`);
  } else agreed.set(shard, { blocks: block.number, records: reached.records });
}

function readOrWhyNot(line: string): Checkpoint | string {
  try {
    return readCheckpoint(line);
  } catch (error) {
    return (error as Error).message;
  }
}

interface Lines {
  readonly count: number;
  readonly trusted: number;
  readonly digests: ReadonlySet<string>;
}

async function readLines(state: State, keys: ReadonlyMap<string, KeyObject>): Promise<Lines> {
  const { check } = state;
  const wanted = new Set(check.witnessed.map(checkpointDigest));
  const digests = new Set<string>();
  let previous = noCheckpoint;
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
    const checkpoint = readOrWhyNot(line);
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

/** Blocks behind the newest agreed head: the oldest of them, and the time of the newest. */
interface Uncovered {
  oldest: { readonly block: Block; readonly us: number } | null;
  newestUs: number;
}

function note(uncovered: Uncovered, block: Block): void {
  let us: number;
  try {
    us = unixMicroseconds(block.sequencedAt);
  } catch {
    return; // The walk has reported it.
  }
  uncovered.newestUs = Math.max(uncovered.newestUs, us);
  if (!uncovered.oldest || us < uncovered.oldest.us) uncovered.oldest = { block, us };
}

/** Walks every shard to its end; blocks no checkpoint covers must all be of the last moment. */
async function walkTheRest(state: State, mayJudge: boolean): Promise<void> {
  const { check, agreed, differing } = state;
  const uncovered: Uncovered = { oldest: null, newestUs: Number.NEGATIVE_INFINITY };
  for (const walk of check.walks.values()) {
    const covered = agreed.get(walk.shard)?.blocks ?? 0n;
    for (let block = walk.reached().block ?? (await walk.next()); block; block = await walk.next())
      if (block.number > covered && !differing.has(walk.shard)) note(uncovered, block);
  }
  const { oldest, newestUs } = uncovered;
  if (!mayJudge || !oldest) return;
  const spanMs = (newestUs - oldest.us) / 1_000;
  if (spanMs <= check.maxUncheckpointedMs) return;
  const { shard, firstSequence: sequence, number, members } = oldest.block;
  const detail = `no checkpoint has this block, nor ${Math.round(spanMs / 1_000)} s of blocks after it`;
  const where = { shard, sequence, block: number, eventId: eventIdAt(members, 0) };
  check.findings.add({ kind: 'checkpoint-rolled-back', ...where, detail }, endOf(oldest.block));
}

/** Lines somebody kept elsewhere. */
function askWitnesses(state: State, { count, digests }: Lines): void {
  const { check } = state;
  for (const line of check.witnessed) {
    if (digests.has(checkpointDigest(line))) continue;
    const { at, shards } = readCheckpoint(line);
    const lost = shards.find(({ shard, blocks }) => {
      const has = check.walks.get(shard)?.reached().block?.number ?? 0n;
      return has < BigInt(blocks);
    });
    const reached = lost && check.walks.get(lost.shard)?.reached();
    check.findings.add(
      {
        kind: 'checkpoint-rolled-back',
        shard: lost?.shard ?? null,
        sequence: lost ? (reached?.records ?? 0n) + 1n : null,
        block: lost ? (reached?.block?.number ?? 0n) + 1n : null,
        checkpoint: count + 1,
        detail: `the checkpoint of ${at}, known from elsewhere, is not in the file`,
      },
      null,
    );
  }
}

/** Leaves every shard walked to its end. Resolves to the number of checkpoints. */
export async function verifyCheckpoints(check: CheckpointCheck): Promise<number> {
  const keys = new Map(check.publicKeys.map((pem) => [keyIdOf(pem), createPublicKey(pem)]));
  const state: State = { check, agreed: new Map(), differing: new Set() };
  const lines = await readLines(state, keys);
  // Where lines are there and none can be trusted, that is what is said.
  await walkTheRest(state, lines.trusted > 0 || lines.count === 0);
  askWitnesses(state, lines);
  return lines.count;
}
