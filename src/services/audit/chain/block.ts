/**
 * A block: the records of one shard that were new at one look, in order, and the hash of the block before. Its hash
 * covers every field of the header; the header's root covers the leaves. The ids and times among the members are not
 * hashed here: they are a copy of what is in the records, and the verifier compares them.
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
  /** Where the look ended, in the order (xid, id): the same for all blocks of the look. */
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
export const noBlock = Buffer.alloc(32);
const blockVersion = 1;
const blockPrefix = 0x02;

/** What a block hash is the SHA-256 of, as far as the root. */
export function headerBytes(header: Omit<BlockHeader, 'root' | 'previous'>): Buffer {
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
    Buffer.concat([headerBytes(header), header.root, header.previous]),
    'buffer',
  );
}

export function eventIdAt(members: Buffer, index: number): string {
  const hex = members.toString('hex', index * memberBytes, index * memberBytes + 16);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return `${parts.join('-')}-${hex.slice(20)}`;
}

/** In Unix microseconds. */
export function occurredAt(members: Buffer, index: number): number {
  const at = index * memberBytes + 16;
  return members.readInt32BE(at) * 2 ** 32 + members.readUInt32BE(at + 4);
}

export function leavesOf(members: Buffer): Buffer[] {
  const leaves: Buffer[] = [];
  for (let at = 24; at < members.length; at += memberBytes)
    leaves.push(members.subarray(at, at + 32));
  return leaves;
}

/** Of the leaves among the members. */
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

/** Where a row lies in the order of the chain. */
export interface Position {
  readonly xid: bigint;
  readonly id: bigint;
}

export const positionOf = (record: AuditRecord): Position => ({
  xid: BigInt(record.xid),
  id: BigInt(record.id),
});

export const endOf = (block: Look): Position => ({ xid: block.toXid, id: block.toId });

export const isAfter = (a: Position, b: Position): boolean =>
  a.xid === b.xid ? a.id > b.id : a.xid > b.xid;

export interface Look {
  readonly toXid: bigint;
  readonly toId: bigint;
  readonly sequencedAt: string;
}

/** `records` are those of one shard in the order (xid, id), at least one. */
export function makeBlock(
  previous: Block | null,
  shard: number,
  records: readonly AuditRecord[],
  at: Look,
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
    toXid: at.toXid,
    toId: at.toId,
    sequencedAt: at.sequencedAt,
    root: rootOfMembers(members),
    previous: previous ? previous.hash : noBlock,
  };
  return { ...header, members, hash: hashOfBlock(header) };
}
