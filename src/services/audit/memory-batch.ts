/**
 * Audit writer of turn 3's before: events are kept in memory and written every `flushMs`; no answer waits for it. What
 * is in memory when the process ends goes with it, and so does a batch whose write fails.
 */
import type { Clock } from '../ports.ts';
import type { AuditEvent, AuditObserver, AuditWriter } from './contract.ts';
import type { AuditInsert } from './insert.ts';

const maxKept = 100_000;

export function createMemoryBatch(given: {
  insert: AuditInsert;
  clock: Clock;
  flushMs: number;
  observer: AuditObserver;
  report: (error: Error) => void;
}): AuditWriter {
  const { insert, clock, observer } = given;
  let kept: AuditEvent[] = [];
  let writing = 0;
  let flushes: Promise<void> = Promise.resolve();

  const write = async (batch: readonly AuditEvent[]) => {
    const startedUs = clock.nowUs();
    writing = batch.length;
    try {
      await insert.many(batch);
      observer.flushed(batch.length, (clock.nowUs() - startedUs) / 1e6);
    } catch (cause) {
      given.report(new Error(`${batch.length} audit events are lost`, { cause }));
    }
    writing = 0;
  };

  const flush = () => {
    if (kept.length === 0) return;
    const batch = kept;
    kept = [];
    flushes = flushes.then(() => write(batch));
  };

  const timer = setInterval(flush, given.flushMs);
  timer.unref();

  return {
    async record(event) {
      if (kept.length < maxKept) kept.push(event);
    },
    recordIn: async () => {},
    depth: () => kept.length + writing,
    async close() {
      clearInterval(timer);
      flush();
      await flushes;
    },
  };
}
