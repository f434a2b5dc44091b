/**
 * Records as OCSF API Activity events (class 6003) with the record_integrity profile: the fingerprint is the leaf of
 * our chain, computed over our canonical serialisation, and every event names the one before it in its shard.
 */
import type { AuditRecord } from '../contract.ts';
import { eventIdAt, memberBytes } from './block.ts';
import { readCheckpoint } from './checkpoint.ts';
import { unixMicroseconds } from './encoding.ts';
import { type ExportScope, isInScope, shardsOf } from './export-scope.ts';
import { type Sequenced, sequencedRecords } from './sequenced-records.ts';
import type { LogSource } from './verification.ts';

const apiActivity = 6003;
const sha256 = { algorithm: 'SHA-256', algorithm_id: 3 };

const activities: Readonly<Record<string, { id: number; name: string }>> = {
  create: { id: 1, name: 'Create' },
  read: { id: 2, name: 'Read' },
  list: { id: 2, name: 'Read' },
  search: { id: 2, name: 'Read' },
  update: { id: 3, name: 'Update' },
  rename: { id: 3, name: 'Update' },
  delete: { id: 4, name: 'Delete' },
  revoke: { id: 4, name: 'Delete' },
};

const activityOf = (action: string) =>
  activities[action.slice(action.lastIndexOf('.') + 1)] ?? { id: 99, name: action };

interface Before {
  readonly uid: string;
  readonly fingerprint: string;
}

/** OCSF times are Unix milliseconds. */
const ms = (iso: string): number => Math.floor(unixMicroseconds(iso) / 1_000);

function eventOf(item: Sequenced, before: Before | null, authority: string | null) {
  const { record, shard, sequence, block, index } = item;
  const activity = activityOf(record.action);
  const succeeded = record.outcome === 'success';
  const leaf = block.members.toString('hex', index * memberBytes + 24, (index + 1) * memberBytes);
  return {
    category_uid: 6,
    category_name: 'Application Activity',
    class_uid: apiActivity,
    class_name: 'API Activity',
    activity_id: activity.id,
    activity_name: activity.name,
    type_uid: apiActivity * 100 + activity.id,
    severity_id: 1,
    severity: 'Informational',
    time: ms(record.occurredAt),
    status_id: succeeded ? 1 : 2,
    status: succeeded ? 'Success' : 'Failure',
    ...(record.reason !== null && { status_code: record.reason, status_detail: record.outcome }),
    metadata: {
      version: '1.9.0-dev',
      profiles: ['record_integrity'],
      uid: record.eventId,
      correlation_uid: record.requestId,
      sequence: Number(sequence),
      original_time: record.occurredAt,
      logged_time: ms(record.receivedAt),
      processed_time: ms(block.sequencedAt),
      product: { name: 'platform', vendor_name: 'platform', feature: { name: 'audit' } },
    },
    actor: actorOf(record),
    api: {
      operation: record.action,
      service: { name: record.service },
      request: { uid: record.requestId },
    },
    // Address and device are sealed under the key of the person; they are never exported in the clear.
    src_endpoint: { name: 'sealed' },
    cloud: { provider: 'platform', region: record.region },
    resources: [
      { type: record.resourceType, ...(record.resourceId !== null && { uid: record.resourceId }) },
    ],
    attestation: {
      serialization: 'platform-audit-record-v1',
      fingerprint: { ...sha256, value: leaf },
      prev_event: before && {
        uid: before.uid,
        fingerprint: { ...sha256, value: before.fingerprint },
      },
      chain_uid: `platform-audit-shard-${shard}`,
      authority_uid: authority,
    },
  };
}

const actorOf = (record: AuditRecord) => ({
  user: { uid: record.userId, org: { uid: record.organisationId } },
  ...(record.sessionHash !== null && { session: { uid: record.sessionHash } }),
  ...(record.keyId !== null && { app_uid: record.keyId }),
  ...(record.agent !== null && { app_name: `agent ${record.agent}` }),
});

/** The member before it, whoever's it is: an id and a hash say nothing of another tenant. */
function beforeOf({ block, index }: Sequenced, last: Before | null): Before | null {
  if (index === 0) return last;
  const at = (index - 1) * memberBytes;
  const fingerprint = block.members.toString('hex', at + 24, at + memberBytes);
  return { uid: eventIdAt(block.members, index - 1), fingerprint };
}

/** One JSON event a line. */
export async function* exportOcsf(source: LogSource, scope: ExportScope): AsyncGenerator<string> {
  let authority: string | null = null;
  for await (const line of source.checkpoints()) authority = readCheckpoint(line).keyId;
  const only = shardsOf(scope, await source.shards());
  // Of each shard: the last member of the block before the present one.
  const ends = new Map<number, { present: Before; before: Before | null }>();
  for await (const item of sequencedRecords(source, { shards: scope.shards, only })) {
    if (item.kind === 'block') {
      const { shard, members, records } = item.block;
      const at = (records - 1) * memberBytes;
      const fingerprint = members.toString('hex', at + 24, at + memberBytes);
      const present = { uid: eventIdAt(members, records - 1), fingerprint };
      ends.set(shard, { present, before: ends.get(shard)?.present ?? null });
      continue;
    }
    if (!isInScope(item.record, scope)) continue;
    const before = beforeOf(item, ends.get(item.shard)?.before ?? null);
    yield JSON.stringify(eventOf(item, before, authority));
  }
}
