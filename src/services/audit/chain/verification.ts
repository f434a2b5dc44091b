/**
 * Input and result of the verifier. The source is one snapshot of the log, taken after the end of the checkpoint file
 * was read, so that a checkpoint is never ahead of an honest log. Nothing a source yields is trusted.
 */
import type { AuditRecord } from '../contract.ts';
import type { Block } from './block.ts';

export interface LogSource {
  shards(): Promise<readonly number[]>;
  /** Blocks of a shard by number; called twice. */
  blocks(shard: number): AsyncIterable<Block>;
  /** Every row of the live log in the order (xid, id). */
  records(): AsyncIterable<AuditRecord>;
  /** Lines of the checkpoint file without newlines, in order. */
  checkpoints(): AsyncIterable<string>;
  /** Partitions that are no longer in the database. */
  retired(): Promise<readonly RetiredPartition[]>;
  /** Records of a retired partition from its archive in the order (xid, id); null: no file was given. */
  readonly archive?: (retired: RetiredPartition) => AsyncIterable<AuditRecord> | null;
}

/** A partition that left the live log for an archive, as audit_retired has it. */
export interface RetiredPartition {
  readonly partition: string;
  /** Bounds of occurred_at, ISO; `to` is not included. */
  readonly from: string;
  readonly to: string;
  readonly records: number;
  /** SHA-256 over the leaves in the order (xid, id), hex. */
  readonly digest: string;
  readonly retiredAt: string;
}

export type FindingKind =
  // The chain of a shard.
  | 'block-missing'
  | 'block-changed'
  | 'link-broken'
  | 'root-mismatch'
  | 'sequence-gap'
  | 'order-broken'
  // The rows against the chain.
  | 'record-changed'
  | 'record-missing'
  | 'record-inserted'
  | 'record-moved'
  | 'member-changed'
  | 'partition-missing'
  | 'backdated'
  | 'postdated'
  // What is kept outside the database.
  | 'checkpoint-unreadable'
  | 'checkpoint-signature'
  | 'checkpoint-order'
  | 'checkpoint-mismatch'
  | 'checkpoint-rolled-back'
  | 'log-behind'
  // Retention.
  | 'retired-unrecorded'
  | 'retired-early'
  | 'retired-mismatch'
  | 'archive-changed';

export interface Finding {
  readonly kind: FindingKind;
  readonly shard: number | null;
  /** Of the record, or of the first one concerned. */
  readonly sequence: bigint | null;
  readonly block: bigint | null;
  readonly eventId?: string;
  /** Line of the checkpoint file, from 1. */
  readonly checkpoint?: number;
  /** Records concerned, when more than one. */
  readonly count?: number;
  readonly detail: string;
}

export interface Verification {
  /** `fail` if and only if there is a finding. */
  readonly verdict: 'pass' | 'fail';
  /** Records compared with the chain, live or from an archive. */
  readonly records: number;
  readonly blocks: number;
  readonly checkpoints: number;
  /** Rows newer than every block. */
  readonly notSequenced: number;
  /** Members of retired partitions whose archive was not given. */
  readonly archived: number;
  /** In the order of the log, at most `maxFindings`. */
  readonly findings: readonly Finding[];
  /** All of them, also those beyond `maxFindings`. */
  readonly findingCount: number;
  /** The first bad record, or the first finding where none is about a record. */
  readonly first: Finding | null;
}

export interface VerifyOptions {
  /** PEM (SPKI) of every key checkpoints may be signed with. Trust comes from here and nowhere else. */
  readonly publicKeys: readonly string[];
  /** Must be the number the log was written with: it maps organisations to shards. */
  readonly shards: number;
  /** Checkpoint lines that were kept elsewhere; each must still be in the file. */
  readonly witnessed?: readonly string[];
  /** How much older than its receipt an event may be: a local log drains late. Default 24 h. */
  readonly maxLateMs?: number;
  /** How far receipts may be out of order: the longest transaction plus the largest clock step. Default 10 min. */
  readonly maxDisorderMs?: number;
  /** How long blocks may go without a checkpoint. Default 1 min. */
  readonly maxUncheckpointedMs?: number;
  /** A partition may leave this long after its last event. Default 0. */
  readonly minRetentionDays?: number;
  /** Default 100. */
  readonly maxFindings?: number;
}
