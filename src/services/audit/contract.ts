/**
 * The audit log. Promises: when `record` resolves, the event is committed exactly once; when it rejects, the
 * caller must not report success. `recent` returns only the user's own events, newest first by (occurredAt, id);
 * following `next` visits every event that was there at the start exactly once.
 */

export type AuditOutcome = 'success' | 'denied' | 'failure';

export interface AuditEvent {
  /** Names the event for ever: writing it twice stores it once. */
  readonly eventId: string;
  readonly userId: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string | null;
  readonly outcome: AuditOutcome;
  /** `2026-11-21T03:23:15.123456Z` */
  readonly occurredAt: string;
  readonly ip: string | null;
  readonly requestId: string;
  readonly userAgent: string | null;
}

export interface AuditWriter {
  record(event: AuditEvent): Promise<void>;
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
  cache(hit: boolean): void;
}
