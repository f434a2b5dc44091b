/**
 * The audit log. Promises: when `record` resolves, the event is committed exactly once; when it rejects, the
 * caller must not report success. `recent` returns only the user's own events, newest first by (occurredAt, id);
 * following `next` visits every event that was there at the start exactly once.
 */

import type { Database } from '../ports.ts';

export type AuditOutcome = 'success' | 'denied' | 'failure';

/** Everything the log says of one action. Times are ISO with microseconds, UTC. */
export interface AuditEvent {
  /** Names the event for ever: writing it twice, with the same `occurredAt`, stores it once. UUIDv7. */
  readonly eventId: string;
  /** When the gateway took the request up. PostgreSQL adds when it received the row, the chain when it was sequenced. */
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
  readonly requestId: string;
  readonly region: string;
  /** Name of the process that answered. */
  readonly service: string;
  /** Address and device: sealed under the key of `userId` before they are stored. */
  readonly personal: PersonalFields;
}

export interface PersonalFields {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** A row of audit_logs as it is hashed: every stored column, sealed fields as they are stored. */
export interface AuditRecord extends Omit<AuditEvent, 'personal'> {
  /** Version of this layout, 1. */
  readonly version: number;
  /** Row number; with `xid` its place in the order of the chain. */
  readonly id: string;
  /** PostgreSQL's transaction, a decimal number. */
  readonly xid: string;
  readonly receivedAt: string;
  /** Null: nothing personal was known. */
  readonly sealed: Buffer | null;
}

export interface AuditWriter {
  /** `mayWait`: while PostgreSQL is away the event may stand in the local log instead; default no: rejected. */
  record(event: AuditEvent, options?: { mayWait: boolean }): Promise<void>;
  /** As a part of the caller's transaction: on record if and only if that commits. */
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
  /** Pass as `cursor` to read on; null on the last page. */
  readonly next: string | null;
}

export interface Activity {
  recent(userId: string, page: { cursor: string | null; limit: number }): Promise<ActivityPage>;
  /** Only in designs that put activity in every answer. */
  readonly forEveryAnswer?: (userId: string) => Promise<readonly ActivityItem[]>;
}

/** Told what happened, so that the gateway can count it. */
export interface AuditObserver {
  flushed(events: number, seconds: number): void;
  /** Records put into blocks, and how long the oldest of them had waited for it since it was received. */
  sequenced(records: number, oldestSeconds: number): void;
  /** Events in the local log, waiting for PostgreSQL. */
  spilled(events: number): void;
  cache(hit: boolean): void;
}
