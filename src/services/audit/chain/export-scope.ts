/** The part of the log that an export covers. */

import type { AuditRecord } from '../contract.ts';
import { shardOf } from './block.ts';

export interface ExportScope {
  /** Null: all of them. */
  readonly organisationId: string | null;
  /** Bounds of occurred_at in the form of records, `to` not included; null: none. */
  readonly from: string | null;
  readonly to: string | null;
  readonly shards: number;
}

/** The shards with records of the scope. */
export function shardsOf(scope: ExportScope, all: readonly number[]): readonly number[] {
  if (scope.organisationId === null) return all;
  const shard = shardOf(scope.organisationId, scope.shards);
  return all.filter((candidate) => candidate === shard);
}

export function isInScope(record: AuditRecord, scope: ExportScope): boolean {
  const { organisationId, from, to } = scope;
  if (organisationId !== null && record.organisationId !== organisationId) return false;
  return (from === null || record.occurredAt >= from) && (to === null || record.occurredAt < to);
}
