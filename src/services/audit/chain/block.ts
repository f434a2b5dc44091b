/**
 * A block: one member for each record of a shard in one batch, in order, and the hash of the previous block. Its hash
 * covers every field of the header; the header's Merkle root covers the members' leaves. The members' event ids and
 * times are covered by neither: they are copied from the records, and the verifier compares them.
 */
import { hash } from 'node:crypto';
import type { AuditRecord } from '../contract.ts';
import { unixMicroseconds, writeMember } from './encoding.ts';
import { LEAF_BYTES, merkleRootInPlace } from './merkle.ts';

export interface BlockHeader {
  readonly shard: number;
  /** From 1, without gaps. */
  readonly number: bigint;
  readonly version: number;
  /** Sequence of the first record in its shard; from 1, without gaps. */
  readonly firstSequence: bigint;
  readonly records: number;
  /** End of the batch in the order (xid, id): the same for all blocks of the batch. */
  readonly toXid: bigint;
  readonly toId: bigint;
  /** ISO with microseconds, UTC. */
  readonly sequencedAt: string;
  readonly root: Buffer;
  readonly previous: Buffer;
}

export interface Block extends BlockHeader {
  /** For each record: event id (16 bytes), `occurredAt` in Unix microseconds (8, big endian), leaf (32). */
  readonly members: Buffer;
  readonly hash: Buffer;
}

export const MEMBER_BYTES = 56;
/** Of the leaf in a member. */
export const leafOffset = MEMBER_BYTES - LEAF_BYTES;
export const genesisHash = Buffer.alloc(32);
const BLOCK_VERSION = 1;
const blockPrefix = 0x02;

/** The hashed bytes of a block up to the root. */
export function encodeHeader(header: Omit<BlockHeader, 'root' | 'previous'>): Buffer {
  const bytes = Buffer.alloc(48);
  let end = bytes.writeUInt8(blockPrefix, 0);
  end = bytes.writeUInt8(header.version, end);
  end = bytes.writeUInt16BE(header.shard, end);
  end = bytes.writeBigUInt64BE(header.number, end);
  end = bytes.writeBigUInt64BE(header.firstSequence, end);
  end = bytes.writeUInt32BE(header.records, end);
  end = bytes.writeBigUInt64BE(header.toXid, end);
  end = bytes.writeBigUInt64BE(header.toId, end);
  bytes.writeBigInt64BE(BigInt(unixMicroseconds(header.sequencedAt)), end);
  return bytes;
}

export function hashOfBlock(header: BlockHeader): Buffer {
  return hash(
    'sha256',
    Buffer.concat([encodeHeader(header), header.root, header.previous]),
    'buffer',
  );
}

export function eventIdAt(members: Buffer, index: number): string {
  const hex = members.toString('hex', index * MEMBER_BYTES, index * MEMBER_BYTES + 16);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return `${parts.join('-')}-${hex.slice(20)}`;
}

/** In Unix microseconds. */
export function occurredUsAt(members: Buffer, index: number): number {
  const at = index * MEMBER_BYTES + 16;
  return members.readInt32BE(at) * 2 ** 32 + members.readUInt32BE(at + 4);
}

export function leavesOf(members: Buffer): Buffer[] {
  const leaves: Buffer[] = [];
  for (let at = leafOffset; at < members.length; at += MEMBER_BYTES)
    leaves.push(members.subarray(at, at + LEAF_BYTES));
  return leaves;
}

/** Merkle root over the leaves of the members. */
export function rootOfMembers(members: Buffer): Buffer {
  // Truncated members may end within a leaf.
  const count = Math.ceil(Math.max(0, members.length - leafOffset) / MEMBER_BYTES);
  const leaves = Buffer.alloc(count * LEAF_BYTES);
  for (let index = 0; index < count; index += 1)
    members.copy(
      leaves,
      index * LEAF_BYTES,
      index * MEMBER_BYTES + leafOffset,
      (index + 1) * MEMBER_BYTES,
    );
  return merkleRootInPlace(leaves);
}

/** Ids of more than 15 digits may exceed the safe integers. */
export const shardOf = (organisationId: string, shards: number): number =>
  organisationId.length <= 15
    ? Number(organisationId) % shards
    : Number(BigInt(organisationId) % BigInt(shards));

/** Position of a row in the order of the log: by xid, then by id. */
export interface LogPosition {
  readonly xid: bigint;
  readonly id: bigint;
}

export const positionOf = (record: AuditRecord): LogPosition => ({
  xid: BigInt(record.xid),
  id: BigInt(record.id),
});

/** The position of the last row of the batch. */
export const endOf = (batch: BatchEnd): LogPosition => ({ xid: batch.toXid, id: batch.toId });

export const isAfter = (a: LogPosition, b: LogPosition): boolean =>
  a.xid === b.xid ? a.id > b.id : a.xid > b.xid;

export interface BatchEnd {
  readonly toXid: bigint;
  readonly toId: bigint;
  readonly sequencedAt: string;
}

/** `records` are those of one shard in the order (xid, id), at least one. */
export function makeBlock(
  previous: Block | null,
  shard: number,
  records: readonly AuditRecord[],
  end: BatchEnd,
): Block {
  if (records.length === 0) throw new RangeError('a block holds at least one record');
  const members = Buffer.alloc(records.length * MEMBER_BYTES);
  records.forEach((record, index) => {
    writeMember(record, members, index * MEMBER_BYTES);
  });
  const header: BlockHeader = {
    shard,
    number: previous ? previous.number + 1n : 1n,
    version: BLOCK_VERSION,
    firstSequence: previous ? previous.firstSequence + BigInt(previous.records) : 1n,
    records: records.length,
    toXid: end.toXid,
    toId: end.toId,
    sequencedAt: end.sequencedAt,
    root: rootOfMembers(members),
    previous: previous ? previous.hash : genesisHash,
  };
  return { ...header, members, hash: hashOfBlock(header) };
}
