/**
 * Audit writer with natural batching: a flush takes everything that waits, and another one starts beside it only for
 * enough of them. Under little load an event goes out alone and at once; under much load batches grow by themselves,
 * because they collect while the running flushes commit. Nobody is answered before the commit of their event.
 *
 *   record -> queue (bounded) -> flush 1 -> commit -> resolve
 *                             -> flush 2 (at most maxInFlight)
 *
 * When the connection is lost the same events are sent again under the same ids, so each is stored exactly once.
 * While PostgreSQL is away, events that may stand in the local log do, and go to PostgreSQL when it is back; of an
 * event that may have been committed before, PostgreSQL keeps one.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { GroupCommitDesign } from '../design.ts';
import type { Clock } from '../ports.ts';
import type { AuditEvent, AuditObserver, AuditWriter } from './contract.ts';
import { type AuditInsert, auditUnavailable } from './insert.ts';
import type { LocalLog } from './local-log.ts';
import { isBadData, isConnectionLoss } from './policy.ts';

interface Waiting {
  readonly event: AuditEvent;
  readonly mayWait: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  /** In the local log, or on the way there. */
  spilled: boolean;
}

const retryPauseMs = 100;
/** A store that is silent for this long is away. */
const patienceMs = 1_000;
const drainEveryMs = 250;
/** A flush that takes this long, or has failed once, keeps nobody waiting beside it. */
const stuckMs = 50;

export function createGroupCommit(given: {
  insert: AuditInsert;
  clock: Clock;
  design: GroupCommitDesign;
  observer: AuditObserver;
  report: (error: Error) => void;
  /** Null: what cannot be committed is refused. */
  localLog: LocalLog | null;
}): AuditWriter {
  const { insert, clock, design, observer, localLog } = given;
  let queue: Waiting[] = [];
  let writing = 0;
  let scheduled = false;
  let away = false;
  let told = false;
  const closing = new AbortController();
  const flushes = new Set<Promise<void>>();

  /** Flushes that somebody may expect to end soon. */
  const moving = new Set<readonly Waiting[]>();
  const mayStart = () =>
    queue.length > moving.size * design.besideFrom && flushes.size < design.maxInFlight;

  const startFlushes = () => {
    scheduled = false;
    while (mayStart()) {
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
    moving.add(batch);
    const stuck = setTimeout(() => isStuck(batch), stuckMs);
    const silent = localLog ? setTimeout(() => spill(batch), patienceMs) : undefined;
    let committed: readonly Waiting[];
    try {
      committed = await insertWithRetry(batch);
    } catch (cause) {
      // One event the store refuses must not take the others with it.
      if (isBadData(cause) && batch.length > 1) {
        for (const one of batch) await commit([one]);
        return;
      }
      for (const { spilled, reject } of batch) if (!spilled) reject(auditUnavailable(cause));
      return;
    } finally {
      clearTimeout(stuck);
      clearTimeout(silent);
      moving.delete(batch);
    }
    if (committed.length === 0) return;
    observer.flushed(committed.length, (clock.nowUs() - startedUs) / 1e6);
    for (const one of committed) one.resolve();
  }

  const isStuck = (batch: readonly Waiting[]) => {
    moving.delete(batch);
    startFlushes();
  };

  /** Those committed: all that did not go to the local log meanwhile, where each is answered for by itself. */
  async function insertWithRetry(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const giveUpUs = clock.nowUs() + design.retryForMs * 1_000;
    let left = batch;
    while (left.length > 0) {
      try {
        await insert.many(left.map(({ event }) => event));
        return left;
      } catch (error) {
        if (!isAway(error)) throw error;
        isStuck(batch);
        spill(left);
        if (clock.nowUs() >= giveUpUs) throw error;
      }
      await delay(retryPauseMs);
      left = left.filter(({ spilled }) => !spilled);
    }
    return [];
  }

  const append = (log: LocalLog, event: AuditEvent) =>
    log.append(event).then(
      () => observer.spilled(log.events()),
      (cause) => Promise.reject(auditUnavailable(cause)),
    );

  const spill = (batch: readonly Waiting[]) => {
    if (!localLog) return;
    for (const one of batch) {
      if (!one.mayWait || one.spilled) continue;
      one.spilled = true;
      away = true;
      append(localLog, one.event).then(one.resolve, one.reject);
    }
  };

  /** What was there before the start goes first; an event that PostgreSQL does not take stays, and is told. */
  const drain = async (log: LocalLog) => {
    if (!away && log.events() === 0) return;
    try {
      if (log.events() === 0) await insert.probe();
      await log.drain(async (events) => {
        await insert.many(events);
        away = false;
      });
      away = false;
      told = false;
    } catch (error) {
      away = isAway(error);
      if (!away && !told) given.report(error as Error);
      told ||= !away;
    }
    observer.spilled(log.events());
  };

  const keepDraining = async (log: LocalLog) => {
    while (!closing.signal.aborted) {
      await drain(log);
      await delay(drainEveryMs, null, { ref: false, signal: closing.signal }).catch(() => null);
    }
  };
  const draining = localLog ? keepDraining(localLog) : Promise.resolve();

  return {
    record(event, options) {
      const mayWait = options?.mayWait === true && localLog !== null;
      if (mayWait && away) return append(localLog, event);
      if (queue.length >= design.maxQueued)
        return Promise.reject(auditUnavailable(new Error(`${queue.length} events are waiting`)));
      return new Promise((resolve, reject) => {
        queue.push({ event, mayWait, resolve, reject, spilled: false });
        schedule();
      });
    },
    recordIn: insert.inside,
    depth: () => queue.length + writing,
    async close() {
      while (queue.length + flushes.size > 0) {
        startFlushes();
        await Promise.allSettled(flushes);
      }
      closing.abort();
      await draining;
      if (!localLog) return;
      // Else it stays on disk for the next process of this name.
      await drain(localLog);
      await localLog.close();
    },
  };
}

/** Nothing wrong with the event: the store is not there, or not able to. */
const isAway = (error: unknown): boolean =>
  isConnectionLoss(error) ||
  /^(database-(unavailable|busy)|57014|53\d{3})$/.test((error as { code?: string }).code ?? '');
