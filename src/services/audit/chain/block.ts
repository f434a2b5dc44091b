/**
 * A block: the records of one shard in one batch, in order, and the hash of the previous block. Its hash covers every
 * field of the header; the header's root covers the leaves. The ids and times of the members are not hashed here: they
 * are copied from the records, and the verifier compares them.
 */
import { hash } from 'node:crypto';
import type { AuditRecord } from '../contract.ts';
import { unixMicroseconds, writeMember } from './encoding.ts';
import { leafBytes, rootOfPacked } from './merkle.ts';

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
  /** For each record: event id (16 bytes), occurred at in Unix microseconds (8, big endian), leaf (32). */
  readonly members: Buffer;
  readonly hash: Buffer;
}

export const memberBytes = 56;
export const genesisHash = Buffer.alloc(32);
const blockVersion = 1;
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
  const hex = members.toString('hex', index * memberBytes, index * memberBytes + 16);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return `${parts.join('-')}-${hex.slice(20)}`;
}

/** In Unix microseconds. */
export function occurredUsAt(members: Buffer, index: number): number {
  const at = index * memberBytes + 16;
  return members.readInt32BE(at) * 2 ** 32 + members.readUInt32BE(at + 4);
}

export function leavesOf(members: Buffer): Buffer[] {
  const leaves: Buffer[] = [];
  for (let at = 24; at < members.length; at += memberBytes)
    leaves.push(members.subarray(at, at + 32));
  return leaves;
}

/** Merkle root over the leaves of the members. */
export function rootOfMembers(members: Buffer): Buffer {
  const leafAt = memberBytes - leafBytes;
  // Members that were cut may end within a leaf.
  const count = Math.ceil(Math.max(0, members.length - leafAt) / memberBytes);
  const leaves = Buffer.alloc(count * leafBytes);
  for (let index = 0; index < count; index += 1)
    members.copy(
      leaves,
      index * leafBytes,
      index * memberBytes + leafAt,
      (index + 1) * memberBytes,
    );
  return rootOfPacked(leaves);
}

export const shardOf = (organisationId: string, shards: number): number =>
  organisationId.length <= 15
    ? Number(organisationId) % shards
    : Number(BigInt(organisationId) % BigInt(shards));

/** Position of a row in the order of the log. */
export interface LogPosition {
  readonly xid: bigint;
  readonly id: bigint;
}

export const positionOf = (record: AuditRecord): LogPosition => ({
  xid: BigInt(record.xid),
  id: BigInt(record.id),
});

export const endOf = (block: BatchEnd): LogPosition => ({ xid: block.toXid, id: block.toId });

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
  const members = Buffer.alloc(records.length * memberBytes);
  records.forEach((record, index) => {
    writeMember(record, members, index * memberBytes);
  });
  const header: BlockHeader = {
    shard,
    number: previous ? previous.number + 1n : 1n,
    version: blockVersion,
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
