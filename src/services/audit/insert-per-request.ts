/** Audit writer of turn 4's before: every request waits for its own INSERT and its own commit. */
import type { Clock, Database } from '../ports.ts';
import type { AuditObserver, AuditWriter } from './contract.ts';
import { auditUnavailable, insertEvents } from './insert.ts';

export function createInsertPerRequest(given: {
  db: Database;
  clock: Clock;
  observer: AuditObserver;
}): AuditWriter {
  const pending = new Set<Promise<void>>();
  return {
    async record(event) {
      const startedUs = given.clock.nowUs();
      const write = insertEvents(given.db, [event]);
      pending.add(write);
      try {
        await write;
      } catch (cause) {
        throw auditUnavailable(cause);
      } finally {
        pending.delete(write);
      }
      given.observer.flushed(1, (given.clock.nowUs() - startedUs) / 1e6);
    },
    depth: () => pending.size,
    async close() {
      await Promise.allSettled(pending);
    },
  };
}
