/**
 * "Last seen", written at most every `everyMs` per session and in one statement a second for all of them. It updates
 * rows that are there and not revoked, skips those somebody is changing right now, and inserts nothing: a touch
 * cannot bring a session back and never makes a logout wait for another's. A session that was accepted and turns out
 * to be revoked is reported: its copy outlived an end that nobody confirmed.
 */
import { type Clock, type Database, isoFromUs } from '../ports.ts';

const flushEveryMs = 1_000;
const maxPerFlush = 2_000;
/** Sessions remembered as touched; beyond it the oldest are touched again early. */
const maxRemembered = 100_000;

export interface Touches {
  seen(id: string): void;
  flush(): Promise<void>;
  close(): void;
}

export function createTouches(given: {
  db: Database;
  clock: Clock;
  everyMs: number;
  foundRevoked?: (ids: readonly string[]) => Promise<void>;
  report: (error: Error) => void;
}): Touches {
  const { db, clock, everyMs } = given;
  const touchedMs = new Map<string, number>();
  let pending = new Set<string>();
  let flushing = false;
  let failing = false;

  const flush = async () => {
    if (flushing || pending.size === 0) return;
    flushing = true;
    const ids = [...pending].slice(0, maxPerFlush);
    pending = new Set([...pending].slice(maxPerFlush));
    try {
      const revoked = await db.query<{ id: string }>({
        name: 'sessions-touch',
        text: `WITH free AS (
                 SELECT id FROM sessions WHERE id = ANY($1::text[]) AND revoked_at IS NULL AND last_seen_at < $2
                    FOR UPDATE SKIP LOCKED),
               seen AS (UPDATE sessions SET last_seen_at = $2 FROM free WHERE sessions.id = free.id)
               SELECT id FROM sessions WHERE id = ANY($1::text[]) AND revoked_at IS NOT NULL`,
        values: [ids, isoFromUs(clock.nowUs())],
      });
      failing = false;
      if (revoked.length > 0) await given.foundRevoked?.(revoked.map(({ id }) => id));
    } catch (error) {
      // Not lost: seen again, they are written again.
      for (const id of ids) touchedMs.delete(id);
      // A PostgreSQL that is down for a minute is one message.
      if (!failing) given.report(error as Error);
      failing = true;
    } finally {
      flushing = false;
    }
  };

  const timer = setInterval(() => void flush(), flushEveryMs);
  timer.unref();

  return {
    seen(id) {
      const nowMs = clock.nowUs() / 1_000;
      const lastMs = touchedMs.get(id);
      if (lastMs !== undefined && nowMs < lastMs + everyMs) return;
      touchedMs.delete(id);
      touchedMs.set(id, nowMs);
      pending.add(id);
      if (touchedMs.size <= maxRemembered) return;
      const oldest = touchedMs.keys().next();
      if (!oldest.done) touchedMs.delete(oldest.value);
    },
    flush,
    close: () => clearInterval(timer),
  };
}
