/**
 * One statement for one or many events: arrays in, rows out. A conflict on the event's own key means an earlier
 * attempt was committed, so it is not an error.
 */
import { type Database, ServiceError } from '../ports.ts';
import type { AuditEvent } from './contract.ts';

const text = `
INSERT INTO audit_logs (user_id, occurred_at, event_id, action, resource_type, resource_id, outcome, ip, request_id, user_agent)
SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::inet[], $9::text[], $10::text[])
ON CONFLICT (event_id, occurred_at) DO NOTHING`;

export async function insertEvents(db: Database, events: readonly AuditEvent[]): Promise<void> {
  const values: unknown[][] = [[], [], [], [], [], [], [], [], [], []];
  for (const event of events) {
    values[0]!.push(event.userId);
    values[1]!.push(event.occurredAt);
    values[2]!.push(event.eventId);
    values[3]!.push(event.action);
    values[4]!.push(event.resourceType);
    values[5]!.push(event.resourceId);
    values[6]!.push(event.outcome);
    values[7]!.push(event.ip);
    values[8]!.push(event.requestId);
    values[9]!.push(event.userAgent);
  }
  await db.query({ name: 'audit-insert', text, values });
}

export const auditUnavailable = (cause: unknown): ServiceError =>
  new ServiceError(
    {
      status: 503,
      code: 'audit-unavailable',
      detail: 'The action could not be recorded, so it is not confirmed.',
      headers: { 'retry-after': '1' },
    },
    { cause },
  );
