/**
 * Records as OCSF 1.9.0 API Activity events (class 6003) with the record_integrity profile. As the profile requires,
 * the fingerprint of an event covers the event itself (RFC 8785) including a reference to the previous event, so the
 * events of an organisation form an OCSF chain. The same log gives the same events; after its oldest months left the
 * database the OCSF chain begins later, with another chain_uid. Events are not signed: `unmapped` has the record's leaf
 * in the audit chain, which `platform audit prove` connects to a signed checkpoint.
 */
import { hash } from 'node:crypto';
import type { AuditRecord } from '../contract.ts';
import { leafOffset, MEMBER_BYTES } from './block.ts';
import { unixMicroseconds } from './encoding.ts';
import { type ExportScope, isInScope, shardsInScope } from './export-scope.ts';
import { type SequencedRecord, sequencedRecords } from './sequenced-records.ts';
import type { LogSource } from './verification.ts';

const SCHEMA_VERSION = '1.9.0';
/** OCSF `authority_uid`: the same for all events of a log. */
const AUTHORITY = 'platform-audit';
const category = { category_uid: 6, category_name: 'Application Activity' };
const apiActivity = { class_uid: 6003, class_name: 'API Activity' };

const create = { id: 1, name: 'Create' };
const read = { id: 2, name: 'Read' };
const update = { id: 3, name: 'Update' };
const deletion = { id: 4, name: 'Delete' };
const activities: Readonly<Record<string, { id: number; name: string }>> = {
  create,
  register: create,
  enrol: create,
  read,
  list: read,
  search: read,
  prove: read,
  set: update,
  password: update,
  renew: update,
  disable: update,
  delete: deletion,
  revoke: deletion,
  erase: deletion,
  'revoke-all': deletion,
  'revoke-others': deletion,
  'revoke-user': deletion,
};

const activityOf = (action: string) =>
  activities[action.slice(action.lastIndexOf('.') + 1)] ?? { id: 99, name: action };

/** Unix milliseconds. */
const timestamp = (iso: string): number => Math.floor(unixMicroseconds(iso) / 1_000);

function eventOf({ record, shard, sequence, block, index }: SequencedRecord) {
  const activity = activityOf(record.action);
  const succeeded = record.outcome === 'success';
  return {
    ...category,
    ...apiActivity,
    activity_id: activity.id,
    activity_name: activity.name,
    type_uid: apiActivity.class_uid * 100 + activity.id,
    type_name: `API Activity: ${activity.id === 99 ? 'Other' : activity.name}`,
    severity_id: 1,
    severity: 'Informational',
    time: timestamp(record.occurredAt),
    status_id: succeeded ? 1 : 2,
    status: succeeded ? 'Success' : 'Failure',
    ...(record.reason !== null && { status_code: record.reason, status_detail: record.outcome }),
    metadata: {
      version: SCHEMA_VERSION,
      profiles: ['record_integrity'],
      product: { name: 'platform', vendor_name: 'platform', feature: { name: 'audit' } },
      log_name: 'audit',
      uid: record.eventId,
      correlation_uid: record.requestId,
      tenant_uid: record.organisationId,
      sequence: Number(sequence),
      original_time: record.occurredAt,
      logged_time: timestamp(record.receivedAt),
    },
    actor: actorOf(record),
    api: {
      operation: record.action,
      service: { name: record.service },
      request: { uid: record.requestId },
    },
    // Address and device are encrypted under the key of the user and never exported in plaintext.
    src_endpoint: { name: 'sealed' },
    resources: [
      record.resourceId === null
        ? { name: record.resourceType, type: record.resourceType }
        : { uid: record.resourceId, type: record.resourceType },
    ],
    unmapped: {
      region: record.region,
      client_request_id: record.clientRequestId ?? null,
      ...(record.change !== null && { change: record.change }),
      sequenced_at: block.sequencedAt,
      shard,
      leaf: block.members.toString(
        'hex',
        index * MEMBER_BYTES + leafOffset,
        (index + 1) * MEMBER_BYTES,
      ),
    },
  };
}

const actorOf = (record: AuditRecord) => ({
  user: {
    uid: record.userId,
    org: { uid: record.organisationId },
    ...(record.keyId !== null && {
      programmatic_credentials: [{ uid: record.keyId, type: 'API Key' }],
    }),
  },
  ...(record.sessionHash !== null && { session: { uid: record.sessionHash } }),
  ...(record.agent !== null && { application: { name: `agent ${record.agent}` } }),
});

/** What an event says of the previous event of its organisation. */
interface EventReference {
  readonly chainUid: string;
  readonly uid: string;
  readonly type_uid: number;
  readonly fingerprint: ReturnType<typeof fingerprintOf>;
}

const fingerprintOf = (event: unknown) => ({
  algorithm_id: 3,
  algorithm: 'SHA-256',
  encoding_id: 1,
  encoding: 'Hex',
  serialization_id: 2,
  serialization: 'JCS',
  value: hash('sha256', canonical(event), 'hex'),
});

/** RFC 8785: JSON.stringify serialises strings as it requires, and sorting by code unit suffices for ASCII names. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}

function attest(event: ReturnType<typeof eventOf>, previous: EventReference | undefined) {
  const { uid, tenant_uid } = event.metadata;
  const chainUid = previous?.chainUid ?? `platform-audit-${tenant_uid}-from-${uid}`;
  const attestation = {
    authority_uid: AUTHORITY,
    chain_uid: chainUid,
    ...(previous && {
      prev_event: {
        uid: previous.uid,
        type_uid: previous.type_uid,
        fingerprint: previous.fingerprint,
      },
    }),
  };
  // Everything except the fingerprint itself.
  const fingerprint = fingerprintOf({ ...event, attestation_list: [attestation] });
  return {
    attested: { ...event, attestation_list: [{ ...attestation, fingerprint }] },
    reference: { chainUid, uid, type_uid: event.type_uid, fingerprint },
  };
}

/** One event in JSON per line. */
export async function* exportOcsf(source: LogSource, scope: ExportScope): AsyncGenerator<string> {
  const selectedShards = shardsInScope(scope, await source.shards());
  // One entry per organisation. Events before `from` are chained too, so that exports of two months link to each other.
  const newest = new Map<string, EventReference>();
  const anyTime = { ...scope, from: null, to: null };
  for await (const item of sequencedRecords(source, { shards: scope.shards, selectedShards })) {
    if (item.kind === 'block' || !isInScope(item.record, anyTime)) continue;
    const { organisationId } = item.record;
    const { attested, reference } = attest(eventOf(item), newest.get(organisationId));
    newest.set(organisationId, reference);
    if (isInScope(item.record, scope)) yield JSON.stringify(attested);
  }
}
