/**
 * That sessions were used, written at most every `everyMs` per session and once a second for all of them: "last seen"
 * in the row by one statement, and the life of the copies by `extend`. The statement updates rows that are there and
 * not revoked, skips those somebody is changing right now, and inserts nothing: a touch cannot bring a session back
 * and never makes a logout wait for another's. A session that was used and turns out to be revoked is reported: its
 * copy outlived an end that nobody confirmed.
 *
 * A session used at least once per (idle timeout - `everyMs`) does not idle out: of two uses this far apart, the later
 * one comes within the idle timeout of the last use that was written.
 */
import { type Clock, type Database, isoFromUs } from '../ports.ts';

const longestWaitMs = 1_000;
const maxPerFlush = 2_000;
/** Sessions remembered as touched; beyond it the oldest are touched again early. */
const maxRemembered = 100_000;

export interface UsedSession {
  readonly id: string;
  readonly endsAtMs: number;
}

export interface Touch extends UsedSession {
  readonly usedAtMs: number;
}

export interface Touches {
  used(session: UsedSession): void;
  flush(): Promise<void>;
  close(): void;
}

export function createTouches(given: {
  db: Database;
  clock: Clock;
  everyMs: number;
  /** Never rejects: a copy that is not extended is made again from the row. */
  extend?: (touches: readonly Touch[]) => Promise<void>;
  foundRevoked?: (ids: readonly string[]) => Promise<void>;
  report: (error: Error) => void;
}): Touches {
  const { db, clock, everyMs } = given;
  const touchedMs = new Map<string, number>();
  const pending = new Map<string, Touch>();
  let flushing = false;
  let failing = false;

  const flush = async () => {
    if (flushing || pending.size === 0) return;
    flushing = true;
    const batch = [...pending.values()].slice(0, maxPerFlush);
    const ids = batch.map(({ id }) => id);
    for (const id of ids) pending.delete(id);
    // Without PostgreSQL the copies are all there is.
    const extended = given.extend?.(batch);
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
      await extended;
      flushing = false;
    }
  };

  const timer = setInterval(() => void flush(), Math.min(everyMs, longestWaitMs));
  timer.unref();

  return {
    used({ id, endsAtMs }) {
      const nowMs = clock.nowUs() / 1_000;
      const lastMs = touchedMs.get(id);
      if (lastMs !== undefined && nowMs < lastMs + everyMs) return;
      // PostgreSQL does not keep up: a later use is written.
      if (pending.size >= maxRemembered) return;
      touchedMs.delete(id);
      touchedMs.set(id, nowMs);
      pending.set(id, { id, endsAtMs, usedAtMs: nowMs });
      if (touchedMs.size <= maxRemembered) return;
      const oldest = touchedMs.keys().next();
      if (!oldest.done) touchedMs.delete(oldest.value);
    },
    flush,
    close: () => clearInterval(timer),
  };
}
