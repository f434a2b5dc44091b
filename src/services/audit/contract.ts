/**
 * The audit log. Promises: when `record` resolves, the event is committed exactly once; when it rejects, the
 * caller must not report success. `recent` returns only the user's own events, newest first by (occurredAt, id);
 * following `next` visits every event that was there at the start exactly once.
 */

import type { Database } from '../ports.ts';

export type AuditOutcome = 'success' | 'denied' | 'failure';

/** One recorded action. Times are ISO with microseconds, UTC. */
export interface AuditEvent {
  /** UUIDv7. Writing the same id with the same `occurredAt` twice stores one row. */
  readonly eventId: string;
  /** When the gateway received the request. PostgreSQL adds when it received the row, the chain when it was sequenced. */
  readonly occurredAt: string;
  readonly organisationId: string;
  /** Whose authority was used: the session's user, or the owner on whose behalf a key or agent acts. */
  readonly userId: string;
  /** SHA-256 of the session's id in hex, cut to 32 characters; null for a key. */
  readonly sessionHash: string | null;
  /** The acting API key, and the place of its agent (0: the key itself). */
  readonly keyId: string | null;
  readonly agent: number | null;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string | null;
  readonly outcome: AuditOutcome;
  /** The problem's code for anything but success: `rate-limited`, `project-not-found`. */
  readonly reason: string | null;
  /** Ours, of one request. */
  readonly requestId: string;
  /** What the client called it, escaped and bounded; not unique, and nothing of ours. */
  readonly clientRequestId: string | null;
  readonly region: string;
  /** Name of the process that answered. */
  readonly service: string;
  /** What was before and after a change of rights, as JSON; null for everything else. */
  readonly change: string | null;
  /** Address and device: encrypted under the key of `userId` before they are stored. */
  readonly personal: PersonalFields;
}

export interface PersonalFields {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** A row of audit_logs as it is hashed: every stored column, personal fields as ciphertext. */
export interface AuditRecord extends Omit<AuditEvent, 'personal'> {
  /** Of this layout. 2 has the client's request id and the change; in 1 they are null. */
  readonly version: number;
  /** From a sequence; (xid, id) is the order of the chain. */
  readonly id: string;
  /** PostgreSQL's transaction, a decimal number. */
  readonly xid: string;
  readonly receivedAt: string;
  /** Null: no personal fields. */
  readonly sealed: Buffer | null;
}

export interface AuditWriter {
  /** `allowLocalLog`: while PostgreSQL is unavailable the local log may hold the event; default: rejected. */
  record(event: AuditEvent, options?: { allowLocalLog: boolean }): Promise<void>;
  /** In the caller's transaction: recorded if and only if it commits. */
  recordIn(tx: Database, event: AuditEvent): Promise<void>;
  /** Events accepted and not yet committed. */
  depth(): number;
  /** Resolves when every accepted event is settled. */
  close(): Promise<void>;
}

export interface ActivityItem {
  readonly id: string;
  readonly userId: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string | null;
  readonly outcome: string;
  readonly occurredAt: string;
  readonly requestId: string;
}

export interface ActivityPage {
  readonly items: readonly ActivityItem[];
  /** Cursor of the next page; null on the last. */
  readonly next: string | null;
}

export interface Activity {
  recent(userId: string, page: { cursor: string | null; limit: number }): Promise<ActivityPage>;
  /** Only in designs that add recent activity to every response. */
  readonly forEveryResponse?: (userId: string) => Promise<readonly ActivityItem[]>;
}

/** Callbacks for metrics. */
export interface AuditObserver {
  onFlush(events: number, seconds: number): void;
  /** Records added to blocks, and the time from receipt to block of the oldest. */
  onSequenced(records: number, oldestSeconds: number): void;
  /** Events in the local log. */
  onSpill(events: number): void;
  onCacheRead(hit: boolean): void;
}
