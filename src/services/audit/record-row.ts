/** Maps rows of audit_logs to records and back. The connection must be in UTC and return timestamps as text. */
import type { AuditOutcome, AuditRecord } from './contract.ts';

export interface RecordRow {
  readonly id: string;
  readonly event_id: string;
  readonly version: number;
  readonly occurred_at: string;
  readonly received_at: string;
  readonly xid: string;
  readonly organisation_id: string;
  readonly user_id: string;
  readonly session_hash: string | null;
  readonly key_id: string | null;
  readonly agent: number | null;
  readonly action: string;
  readonly resource_type: string;
  readonly resource_id: string | null;
  readonly outcome: string;
  readonly reason: string | null;
  readonly request_id: string;
  readonly client_request_id: string | null;
  readonly region: string;
  readonly service: string;
  readonly sealed: Buffer | null;
  readonly change: string | null;
}

export const recordColumns =
  'id, event_id, version, occurred_at, received_at, xid, organisation_id, user_id, session_hash, key_id, agent, ' +
  'action, resource_type, resource_id, outcome, reason, request_id, client_request_id, region, service, sealed, change';

export const recordOf = (row: RecordRow): AuditRecord => ({
  version: row.version,
  id: row.id,
  eventId: row.event_id,
  occurredAt: isoOf(row.occurred_at),
  receivedAt: isoOf(row.received_at),
  xid: row.xid,
  organisationId: row.organisation_id,
  userId: row.user_id,
  sessionHash: row.session_hash,
  keyId: row.key_id,
  agent: row.agent,
  action: row.action,
  resourceType: row.resource_type,
  resourceId: row.resource_id,
  outcome: row.outcome as AuditOutcome,
  reason: row.reason,
  requestId: row.request_id,
  clientRequestId: row.client_request_id,
  region: row.region,
  service: row.service,
  sealed: row.sealed,
  change: row.change,
});

export const rowOf = (record: AuditRecord): RecordRow => ({
  id: record.id,
  event_id: record.eventId,
  version: record.version,
  occurred_at: record.occurredAt,
  received_at: record.receivedAt,
  xid: record.xid,
  organisation_id: record.organisationId,
  user_id: record.userId,
  session_hash: record.sessionHash,
  key_id: record.keyId,
  agent: record.agent,
  action: record.action,
  resource_type: record.resourceType,
  resource_id: record.resourceId,
  outcome: record.outcome,
  reason: record.reason,
  request_id: record.requestId,
  client_request_id: record.clientRequestId ?? null,
  region: record.region,
  service: record.service,
  sealed: record.sealed,
  change: record.change,
});

/** `2026-11-21 03:23:15.5+00` as `2026-11-21T03:23:15.500000Z`. */
export function isoOf(text: string): string {
  const zone = text.length - 3;
  if (text.charCodeAt(10) !== 32 || !text.endsWith('+00'))
    throw new Error(`'${text}' is not a time as PostgreSQL writes it in UTC`);
  const fraction = zone === 19 ? '000000' : text.slice(20, zone).padEnd(6, '0');
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction}Z`;
}
