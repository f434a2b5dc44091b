/**
 * A checkpoint: the number of blocks and records of every shard and its newest block hash, signed with Ed25519 and kept
 * outside the database. A superuser who recomputes the whole chain cannot forge it. One JSON line in a canonical form:
 * a line must equal, byte for byte, what would be written for its content, so that it holds nothing unsigned. Each line
 * has the digest of the previous line, so that a removed line is detected.
 */
import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';

export interface ShardHead {
  readonly shard: number;
  /** Blocks and records of the shard up to here, decimal. */
  readonly blocks: string;
  readonly records: string;
  /** Hash of the newest block in hex. */
  readonly head: string;
}

export interface UnsignedCheckpoint {
  /** ISO, UTC. */
  readonly at: string;
  /** In the order of the shards' numbers; shards without blocks are left out. */
  readonly shards: readonly ShardHead[];
  /** `checkpointDigest` of the previous line; `genesisDigest` in the first line. */
  readonly previous: string;
}

export interface Checkpoint extends UnsignedCheckpoint {
  readonly version: 1;
  readonly keyId: string;
  /** Base64. */
  readonly signature: string;
}

export interface CheckpointSigner {
  readonly keyId: string;
  sign(bytes: Buffer): Buffer;
}

export const genesisDigest = '0'.repeat(64);
/** Signed before the line (domain separation): a signature by the same key over other data is no checkpoint. */
const SIGNATURE_DOMAIN = 'platform-audit-checkpoint\n';

/** Digest of a line without its newline, in hex. */
export const checkpointDigest = (line: string): string => hash('sha256', line, 'hex');

/** First 16 hex characters of the SHA-256 of the public key (SPKI, DER). */
export function keyIdOf(publicKey: KeyObject | string): string {
  const key = typeof publicKey === 'string' ? createPublicKey(publicKey) : publicKey;
  return hash('sha256', key.export({ type: 'spki', format: 'der' }), 'hex').slice(0, 16);
}

function unsignedLine(content: UnsignedCheckpoint, keyId: string): string {
  return JSON.stringify({
    version: 1,
    at: content.at,
    keyId,
    shards: content.shards.map(({ shard, blocks, records, head }) => ({
      shard,
      blocks,
      records,
      head,
    })),
    previous: content.previous,
  });
}

const signedLine = (unsigned: string, signature: string): string =>
  `${unsigned.slice(0, -1)},"signature":${JSON.stringify(signature)}}`;

/** The line to append, without a newline. */
export function signCheckpoint(content: UnsignedCheckpoint, signer: CheckpointSigner): string {
  const unsigned = unsignedLine(content, signer.keyId);
  const signature = signer.sign(Buffer.from(SIGNATURE_DOMAIN + unsigned)).toString('base64');
  return signedLine(unsigned, signature);
}

const isShardHead = (value: unknown): value is ShardHead => {
  const { shard, blocks, records, head } = (value ?? {}) as Record<string, unknown>;
  const isCount = (text: unknown) => typeof text === 'string' && /^[1-9]\d{0,18}$/.test(text);
  return (
    Number.isInteger(shard) &&
    isCount(blocks) &&
    isCount(records) &&
    /^[0-9a-f]{64}$/.test(`${head}`)
  );
};

/** Throws unless the line has the form that `signCheckpoint` writes. Does not verify the signature. */
export function readCheckpoint(line: string): Checkpoint {
  let value: Checkpoint;
  try {
    value = JSON.parse(line) as Checkpoint;
  } catch (cause) {
    throw new Error('the checkpoint is not JSON', { cause });
  }
  const heads = value?.shards;
  const isWellFormed =
    Array.isArray(heads) &&
    heads.every(isShardHead) &&
    heads.every(({ shard }, i) => i === 0 || heads[i - 1]!.shard < shard) &&
    !Number.isNaN(Date.parse(value.at)) &&
    /^[0-9a-f]{64}$/.test(value.previous) &&
    // Unused bits at the end of base64 allow several encodings of one signature.
    Buffer.from(`${value.signature}`, 'base64').toString('base64') === value.signature;
  if (!isWellFormed || signedLine(unsignedLine(value, value.keyId), value.signature) !== line)
    throw new Error('the checkpoint is not in canonical form');
  return value;
}

export function isSignedBy(checkpoint: Checkpoint, publicKey: KeyObject): boolean {
  const signature = Buffer.from(checkpoint.signature, 'base64');
  const unsigned = unsignedLine(checkpoint, checkpoint.keyId);
  return verify(null, Buffer.from(SIGNATURE_DOMAIN + unsigned), publicKey, signature);
}
