/** A read of a "newest first" view, and an action that it may show. */
import type { FactRecord, OperationRecord } from '../../sim/history.ts';

export interface ViewItem {
  readonly id: string;
  readonly user: string;
  readonly requestId: string;
  /** The platform's own time, Unix microseconds. */
  readonly occurredAtUs: number;
}

export interface ViewRead {
  readonly operation: OperationRecord;
  readonly items: readonly ViewItem[];
  /** Items of a full page; a shorter page must be the last. */
  readonly pageSize: number;
}

export interface Action {
  readonly operation: OperationRecord;
  readonly fact: FactRecord;
}
