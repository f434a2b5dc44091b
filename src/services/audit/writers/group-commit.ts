/**
 * Audit writer with natural batching: a flush takes every queued event, and a concurrent flush starts only when enough
 * events are queued. Under low load an event is written alone and at once; under high load batches grow, because events
 * queue up while the running flushes commit. No request is answered before its event is committed.
 *
 *   record -> queue (bounded) -> flush 1 -> commit -> resolve
 *                             -> flush 2 (at most maxInFlight)
 *
 * After a lost connection the same events are sent again under the same ids, so each is stored exactly once. While
 * PostgreSQL is unavailable, events that allow it go to the local log, and from there to PostgreSQL when it is back;
 * an event that was already committed is not stored twice.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { GroupCommitDesign } from '../../design.ts';
import type { Clock } from '../../ports.ts';
import type { AuditEvent, AuditObserver, AuditWriter } from '../contract.ts';
import { isBadData, isConnectionLoss } from '../policy.ts';
import { type AuditInsert, auditUnavailable } from './insert.ts';
import type { LocalLog } from './local-log.ts';

interface PendingEvent {
  readonly event: AuditEvent;
  readonly allowLocalLog: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  /** True when the event was handed to the local log, which settles it. */
  isSpilled: boolean;
}

const RETRY_PAUSE_MS = 100;
/** A database that does not answer for this long counts as unavailable. */
const SPILL_AFTER_MS = 1_000;
const DRAIN_INTERVAL_MS = 250;
/** After this long, or after one failure, a flush no longer delays the start of the next. */
const STUCK_AFTER_MS = 50;

interface GroupCommitOptions {
  insert: AuditInsert;
  clock: Clock;
  design: GroupCommitDesign;
  observer: AuditObserver;
  report: (error: Error) => void;
  /** Null: events that cannot be committed are rejected. */
  localLog: LocalLog | null;
}

export function createGroupCommit(options: GroupCommitOptions): AuditWriter {
  const { insert, design, localLog } = options;
  const spillover = localLog ? createSpillover(localLog, options) : null;
  let queue: PendingEvent[] = [];
  let inFlight = 0;
  let isScheduled = false;
  const flushes = new Set<Promise<void>>();
  /** Batches of the running flushes that are not stuck. */
  const activeBatches = new Set<readonly PendingEvent[]>();
  const canStartFlush = () =>
    queue.length > activeBatches.size * design.queuedPerFlush && flushes.size < design.maxInFlight;

  const startFlushes = () => {
    isScheduled = false;
    while (canStartFlush()) {
      const batch = queue.slice(0, design.maxBatch);
      queue = queue.slice(design.maxBatch);
      inFlight += batch.length;
      const flush: Promise<void> = commit(batch).finally(() => {
        inFlight -= batch.length;
        flushes.delete(flush);
        startFlushes();
      });
      flushes.add(flush);
    }
  };

  const commit = createCommit({ ...options, spillover, activeBatches, startFlushes });

  // Once per turn of the event loop, so that requests read in the same turn share a flush.
  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(startFlushes);
  };

  return {
    record(event, recordOptions) {
      const allowLocalLog = recordOptions?.allowLocalLog === true && spillover !== null;
      if (allowLocalLog && spillover.isDatabaseDown()) return spillover.append(event);
      if (queue.length >= design.maxQueued)
        return Promise.reject(auditUnavailable(new Error(`${queue.length} events are waiting`)));
      return new Promise((resolve, reject) => {
        queue.push({ event, allowLocalLog, resolve, reject, isSpilled: false });
        schedule();
      });
    },
    recordIn: insert.inTransaction,
    depth: () => queue.length + inFlight,
    async close() {
      while (queue.length + flushes.size > 0) {
        startFlushes();
        await Promise.allSettled(flushes);
      }
      await spillover?.close();
    },
  };
}

/** Commits a batch and settles its events; never rejects. */
function createCommit(
  options: GroupCommitOptions & {
    spillover: Spillover | null;
    activeBatches: Set<readonly PendingEvent[]>;
    startFlushes: () => void;
  },
): (batch: readonly PendingEvent[]) => Promise<void> {
  const { insert, clock, design, observer, spillover, activeBatches } = options;

  const markStuck = (batch: readonly PendingEvent[]) => {
    activeBatches.delete(batch);
    options.startFlushes();
  };

  /** Resolves to the committed events; the local log settles those that were spilled meanwhile. */
  async function insertWithRetry(batch: readonly PendingEvent[]): Promise<readonly PendingEvent[]> {
    const deadlineUs = clock.nowUs() + design.retryForMs * 1_000;
    let remaining = batch;
    while (remaining.length > 0) {
      try {
        await insert.many(remaining.map(({ event }) => event));
        return remaining;
      } catch (error) {
        if (!isDatabaseUnavailable(error)) throw error;
        markStuck(batch);
        spillover?.spill(remaining);
        if (clock.nowUs() >= deadlineUs) throw error;
      }
      await delay(RETRY_PAUSE_MS);
      remaining = remaining.filter(({ isSpilled }) => !isSpilled);
    }
    return [];
  }

  return async function commit(batch) {
    const startedUs = clock.nowUs();
    activeBatches.add(batch);
    const stuckTimer = setTimeout(() => markStuck(batch), STUCK_AFTER_MS);
    const spillTimer = spillover
      ? setTimeout(() => spillover.spill(batch), SPILL_AFTER_MS)
      : undefined;
    let committed: readonly PendingEvent[];
    try {
      committed = await insertWithRetry(batch);
    } catch (cause) {
      // If PostgreSQL refuses one event, the others are still committed, one by one.
      if (isBadData(cause) && batch.length > 1) {
        for (const pending of batch) await commit([pending]);
        return;
      }
      for (const { isSpilled, reject } of batch) if (!isSpilled) reject(auditUnavailable(cause));
      return;
    } finally {
      clearTimeout(stuckTimer);
      clearTimeout(spillTimer);
      activeBatches.delete(batch);
    }
    if (committed.length === 0) return;
    observer.onFlush(committed.length, (clock.nowUs() - startedUs) / 1e6);
    for (const { resolve } of committed) resolve();
  };
}

interface Spillover {
  isDatabaseDown(): boolean;
  append(event: AuditEvent): Promise<void>;
  /** Appends the events that allow it, and settles them. */
  spill(batch: readonly PendingEvent[]): void;
  close(): Promise<void>;
}

/** Holds events in the local log while PostgreSQL is unavailable, and drains it when PostgreSQL is back. */
function createSpillover(
  localLog: LocalLog,
  { insert, observer, report }: GroupCommitOptions,
): Spillover {
  let isDatabaseDown = false;
  let isErrorReported = false;
  const closing = new AbortController();

  const append = (event: AuditEvent) =>
    localLog.append(event).then(
      () => observer.onSpill(localLog.eventCount()),
      (cause) => Promise.reject(auditUnavailable(cause)),
    );

  /**
   * Oldest first, also events that an earlier process left. An event that PostgreSQL refuses stays and is reported
   * once.
   */
  const drain = async () => {
    if (!isDatabaseDown && localLog.eventCount() === 0) return;
    try {
      if (localLog.eventCount() === 0) await insert.ping();
      await localLog.drain(async (events) => {
        await insert.many(events);
        isDatabaseDown = false;
      });
      isDatabaseDown = false;
      isErrorReported = false;
    } catch (error) {
      isDatabaseDown = isDatabaseUnavailable(error);
      if (!isDatabaseDown && !isErrorReported) report(error as Error);
      isErrorReported ||= !isDatabaseDown;
    }
    observer.onSpill(localLog.eventCount());
  };

  const keepDraining = async () => {
    while (!closing.signal.aborted) {
      await drain();
      await delay(DRAIN_INTERVAL_MS, null, { ref: false, signal: closing.signal }).catch(
        () => null,
      );
    }
  };
  const draining = keepDraining();

  return {
    isDatabaseDown: () => isDatabaseDown,
    append,
    spill(batch) {
      for (const pending of batch) {
        if (!pending.allowLocalLog || pending.isSpilled) continue;
        pending.isSpilled = true;
        isDatabaseDown = true;
        append(pending.event).then(pending.resolve, pending.reject);
      }
    },
    async close() {
      closing.abort();
      await draining;
      // Events that cannot be drained stay on disk for the next process with this name.
      await drain();
      await localLog.close();
    },
  };
}

/** The database cannot be reached or is overloaded; a later attempt with the same events may succeed. */
const isDatabaseUnavailable = (error: unknown): boolean =>
  isConnectionLoss(error) ||
  /^(database-(unavailable|busy)|57014|53\d{3})$/.test((error as { code?: string }).code ?? '');
