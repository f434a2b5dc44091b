/**
 * Audit writer of the design turn3.before: events are buffered in memory and inserted every `flushMs`, and no response
 * waits for the insert. Events in memory are lost when the process is killed, and a batch is lost when its insert
 * fails.
 */
import type { Clock } from '../../ports.ts';
import type { AuditEvent, AuditObserver, AuditWriter } from '../contract.ts';
import type { AuditInsert } from './insert.ts';

const MAX_BUFFERED = 100_000;

export function createMemoryBatch(options: {
  insert: AuditInsert;
  clock: Clock;
  flushMs: number;
  observer: AuditObserver;
  report: (error: Error) => void;
}): AuditWriter {
  const { insert, clock, observer } = options;
  let buffered: AuditEvent[] = [];
  let inFlight = 0;
  let flushes: Promise<void> = Promise.resolve();

  const write = async (batch: readonly AuditEvent[]) => {
    const startedUs = clock.nowUs();
    inFlight = batch.length;
    try {
      await insert.many(batch);
      observer.onFlush(batch.length, (clock.nowUs() - startedUs) / 1e6);
    } catch (cause) {
      options.report(new Error(`${batch.length} audit events are lost`, { cause }));
    }
    inFlight = 0;
  };

  const flush = () => {
    if (buffered.length === 0) return;
    const batch = buffered;
    buffered = [];
    flushes = flushes.then(() => write(batch));
  };

  const timer = setInterval(flush, options.flushMs);
  timer.unref();

  return {
    async record(event) {
      // Above the limit events are dropped.
      if (buffered.length < MAX_BUFFERED) buffered.push(event);
    },
    recordIn: async () => {},
    depth: () => buffered.length + inFlight,
    async close() {
      clearInterval(timer);
      flush();
      await flushes;
    },
  };
}
