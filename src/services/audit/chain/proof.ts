/**
 * A proof, in about a kilobyte, that one event is in the log: the path from its leaf to the root of its block, and the
 * headers of the blocks from there to a signed checkpoint. With the record, the proof, the checkpoint and the public
 * key every hash up to the signed head can be recomputed, without the log.
 *
 * `links` has the headers of the later blocks in base64: as LEB128 numbers the records, then the differences (zigzag) to
 * the previous block of xid, id and the time in microseconds; then the root (32 bytes). The other fields follow from the
 * previous block.
 */
import { createPublicKey } from 'node:crypto';
import { isoFromUs } from '../../ports.ts';
import type { AuditRecord } from '../contract.ts';
import { type Block, type BlockHeader, hashOfBlock, leavesOf } from './block.ts';
import { isSignedBy, keyIdOf, readCheckpoint } from './checkpoint.ts';
import { leafOf, unixMicroseconds } from './encoding.ts';
import { inclusionPath, rootFromPath } from './merkle.ts';

export interface Proof {
  readonly version: 1;
  readonly eventId: string;
  readonly shard: number;
  readonly sequence: string;
  /** Header of the block of the record, without the fields that can be computed. */
  readonly block: {
    readonly number: string;
    readonly firstSequence: string;
    readonly records: number;
    readonly toXid: string;
    readonly toId: string;
    readonly sequencedAt: string;
    /** Hex. */
    readonly previous: string;
  };
  /** Hashes of 32 bytes from the leaf up, base64. */
  readonly path: string;
  readonly links: string;
}

export interface ProvenEvent {
  readonly record: AuditRecord;
  /** From the block of the record to the one the checkpoint names; only the first needs its members. */
  readonly blocks: readonly Block[];
  /** Of the record among the members of the first block. */
  readonly index: number;
}

export function proveRecord({ record, blocks, index }: ProvenEvent): Proof {
  const block = blocks[0]!;
  return {
    version: 1,
    eventId: record.eventId,
    shard: block.shard,
    sequence: String(block.firstSequence + BigInt(index)),
    block: {
      number: String(block.number),
      firstSequence: String(block.firstSequence),
      records: block.records,
      toXid: String(block.toXid),
      toId: String(block.toId),
      sequencedAt: block.sequencedAt,
      previous: block.previous.toString('hex'),
    },
    path: Buffer.concat(inclusionPath(leavesOf(block.members), index)).toString('base64'),
    links: packLinks(blocks),
  };
}

export type ProofCheck =
  | { readonly proven: true; readonly at: string; readonly keyId: string }
  | { readonly proven: false; readonly why: string };

/** `checkpoint`: a line of the checkpoint file. `publicKey`: PEM, from a trusted source. */
export function checkProof(
  record: AuditRecord,
  proof: Proof,
  { checkpoint, publicKey }: { checkpoint: string; publicKey: string },
): ProofCheck {
  try {
    const why = findRejection(record, proof, checkpoint, publicKey);
    if (why !== null) return { proven: false, why };
    return { proven: true, at: readCheckpoint(checkpoint).at, keyId: keyIdOf(publicKey) };
  } catch (error) {
    return { proven: false, why: `not a proof: ${(error as Error).message}` };
  }
}

function findRejection(
  record: AuditRecord,
  proof: Proof,
  checkpointLine: string,
  publicKey: string,
): string | null {
  const checkpoint = readCheckpoint(checkpointLine);
  if (proof.version !== 1) return `version ${proof.version} is not known`;
  if (!isSignedBy(checkpoint, createPublicKey(publicKey)))
    return 'the checkpoint is not signed with this key';
  if (record.eventId !== proof.eventId) return 'the proof is about another event';
  const head = checkpoint.shards.find(({ shard }) => shard === proof.shard);
  if (!head) return `the checkpoint says nothing of shard ${proof.shard}`;
  const first = headerOf(record, proof);
  if (!first) return 'the path does not fit the block';
  let block = first;
  for (const next of unpackLinks(Buffer.from(proof.links, 'base64'))) {
    const previous = hashOfBlock(block);
    block = {
      ...next,
      version: 1,
      shard: block.shard,
      number: block.number + 1n,
      firstSequence: block.firstSequence + BigInt(block.records),
      toXid: block.toXid + next.toXid,
      toId: block.toId + next.toId,
      sequencedAt: isoFromUs(unixMicroseconds(block.sequencedAt) + next.afterUs),
      previous,
    };
  }
  const records = block.firstSequence + BigInt(block.records) - 1n;
  if (head.blocks !== `${block.number}` || head.records !== `${records}`)
    return `ends at block ${block.number}; the checkpoint signs block ${head.blocks}`;
  if (hashOfBlock(block).toString('hex') === head.head) return null;
  return 'does not lead to the signed head: the record or the proof was changed';
}

function headerOf(record: AuditRecord, proof: Proof): BlockHeader | null {
  const { block } = proof;
  const hashes = Buffer.from(proof.path, 'base64');
  const path: Buffer[] = [];
  for (let at = 0; at < hashes.length; at += 32) path.push(hashes.subarray(at, at + 32));
  const index = Number(BigInt(proof.sequence) - BigInt(block.firstSequence));
  const root = rootFromPath({ leaf: leafOf(record), index, size: block.records }, path);
  return (
    root && {
      shard: proof.shard,
      number: BigInt(block.number),
      version: 1,
      firstSequence: BigInt(block.firstSequence),
      records: block.records,
      toXid: BigInt(block.toXid),
      toId: BigInt(block.toId),
      sequencedAt: block.sequencedAt,
      root,
      previous: Buffer.from(block.previous, 'hex'),
    }
  );
}

function packLinks(blocks: readonly Block[]): string {
  const bytes: number[] = [];
  const putLeb128 = (value: bigint) => {
    let rest = value;
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    bytes.push(Number(rest));
  };
  const zigzag = (value: bigint) => (value < 0n ? -2n * value - 1n : 2n * value);
  blocks.slice(1).forEach((block, i) => {
    const previous = blocks[i]!;
    const us = unixMicroseconds(block.sequencedAt) - unixMicroseconds(previous.sequencedAt);
    putLeb128(BigInt(block.records));
    putLeb128(zigzag(block.toXid - previous.toXid));
    putLeb128(zigzag(block.toId - previous.toId));
    putLeb128(zigzag(BigInt(us)));
    bytes.push(...block.root);
  });
  return Buffer.from(bytes).toString('base64');
}

interface Link {
  readonly records: number;
  /** Differences to the previous block. */
  readonly toXid: bigint;
  readonly toId: bigint;
  readonly afterUs: number;
  readonly root: Buffer;
}

function* unpackLinks(bytes: Buffer): Generator<Link> {
  let at = 0;
  const takeLeb128 = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63n) throw new Error('the links are cut short');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const takeZigzag = () => {
    const value = takeLeb128();
    return value % 2n === 0n ? value / 2n : -(value + 1n) / 2n;
  };
  while (at < bytes.length) {
    const records = Number(takeLeb128());
    const toXid = takeZigzag();
    const toId = takeZigzag();
    const afterUs = Number(takeZigzag());
    const root = bytes.subarray(at, at + 32);
    if (root.length !== 32) throw new Error('the links are cut short');
    at += 32;
    yield { records, toXid, toId, afterUs, root };
  }
}
