/** The part of the log that an export covers: one organisation or all, and a time range. */
import type { AuditRecord } from '../contract.ts';
import { shardOf } from './block.ts';

export interface ExportScope {
  /** Null: all organisations. */
  readonly organisationId: string | null;
  /** Bounds of `occurredAt`, in the same ISO form, so that strings compare; `to` is excluded. Null: unbounded. */
  readonly from: string | null;
  readonly to: string | null;
  /** How many shards the log has; a record's shard follows from it and the organisation. */
  readonly shards: number;
}

/** Of `existingShards` those that may hold records of the scope. */
export function shardsInScope(
  scope: ExportScope,
  existingShards: readonly number[],
): readonly number[] {
  if (scope.organisationId === null) return existingShards;
  const organisationShard = shardOf(scope.organisationId, scope.shards);
  return existingShards.filter((shard) => shard === organisationShard);
}

export function isInScope(record: AuditRecord, scope: ExportScope): boolean {
  const { organisationId, from, to } = scope;
  if (organisationId !== null && record.organisationId !== organisationId) return false;
  return (from === null || record.occurredAt >= from) && (to === null || record.occurredAt < to);
}
