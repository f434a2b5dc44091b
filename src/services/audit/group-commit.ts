/**
 * Audit writer with natural batching: a flush starts as soon as one may, with everything that waits. Under little
 * load an event goes out alone and at once; under much load batches grow by themselves, because they collect
 * while the running flushes commit. Nobody is answered before the commit of their event.
 *
 *   record -> queue (bounded) -> flush 1 -> commit -> resolve
 *                             -> flush 2 (at most maxInFlight)
 *
 * When the connection is lost the same events are sent again under the same ids, so each is stored exactly once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditWriterDesign } from '../design.ts';
import type { Clock, Database } from '../ports.ts';
import type { AuditEvent, AuditObserver, AuditWriter } from './contract.ts';
import { auditUnavailable, insertEvents } from './insert.ts';
import { isBadData, isConnectionLoss } from './policy.ts';

type GroupCommitDesign = Extract<AuditWriterDesign, { kind: 'group-commit' }>;

interface Waiting {
  readonly event: AuditEvent;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const retryPauseMs = 100;

export function createGroupCommit(given: {
  db: Database;
  clock: Clock;
  design: GroupCommitDesign;
  observer: AuditObserver;
}): AuditWriter {
  const { db, clock, design, observer } = given;
  let queue: Waiting[] = [];
  let writing = 0;
  let scheduled = false;
  const flushes = new Set<Promise<void>>();

  const startFlushes = () => {
    scheduled = false;
    while (queue.length > 0 && flushes.size < design.maxInFlight) {
      const batch = queue.slice(0, design.maxBatch);
      queue = queue.slice(design.maxBatch);
      writing += batch.length;
      const flush: Promise<void> = commit(batch).finally(() => {
        writing -= batch.length;
        flushes.delete(flush);
        startFlushes();
      });
      flushes.add(flush);
    }
  };

  // Once per turn of the event loop, so that requests read in the same turn share a flush.
  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(startFlushes);
  };

  async function commit(batch: readonly Waiting[]): Promise<void> {
    const startedUs = clock.nowUs();
    try {
      await insertWithRetry(batch.map(({ event }) => event));
    } catch (cause) {
      // One event the store refuses must not take the others with it.
      if (isBadData(cause) && batch.length > 1) {
        for (const one of batch) await commit([one]);
        return;
      }
      for (const { reject } of batch) reject(auditUnavailable(cause));
      return;
    }
    observer.flushed(batch.length, (clock.nowUs() - startedUs) / 1e6);
    for (const { resolve } of batch) resolve();
  }

  async function insertWithRetry(events: readonly AuditEvent[]): Promise<void> {
    const giveUpUs = clock.nowUs() + design.retryForMs * 1_000;
    for (;;) {
      try {
        return await insertEvents(db, events);
      } catch (error) {
        if (!isConnectionLoss(error) || clock.nowUs() >= giveUpUs) throw error;
      }
      await delay(retryPauseMs);
    }
  }

  return {
    record(event) {
      if (queue.length >= design.maxQueued)
        return Promise.reject(auditUnavailable(new Error(`${queue.length} events are waiting`)));
      return new Promise((resolve, reject) => {
        queue.push({ event, resolve, reject });
        schedule();
      });
    },
    depth: () => queue.length + writing,
    async close() {
      while (queue.length + flushes.size > 0) {
        startFlushes();
        await Promise.allSettled(flushes);
      }
    },
  };
}
