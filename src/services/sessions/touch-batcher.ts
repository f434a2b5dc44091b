/**
 * Writes "last seen", at most every `everyMs` per session and in one batch a second: one statement for the rows, and
 * `extendCopies` for the TTL of the copies. The statement updates existing rows that are not revoked, skips rows
 * locked by a concurrent change, and inserts nothing: a touch cannot revive a session and never makes a logout wait.
 * A touched session whose row is revoked goes to `onRevokedFound`: its copy outlived an unconfirmed end.
 *
 * A session used at least once per (idle timeout - `everyMs`) does not idle out: of two uses this far apart, the later
 * one comes within the idle timeout of the last use that was written.
 */
import { type Clock, type Database, isoFromUs } from '../ports.ts';

const MAX_FLUSH_INTERVAL_MS = 1_000;
const MAX_PER_FLUSH = 2_000;
/** Sessions whose last touch is kept in memory; beyond it the oldest are touched again early. */
const MAX_TRACKED = 100_000;

export interface UsedSession {
  readonly id: string;
  readonly endsAtMs: number;
}

export interface Touch extends UsedSession {
  readonly usedAtUs: number;
}

export interface TouchBatcher {
  touch(session: UsedSession): void;
  flush(): Promise<void>;
  close(): void;
}

export function createTouchBatcher(given: {
  db: Database;
  clock: Clock;
  everyMs: number;
  /** Never rejects: a copy that is not extended is populated again from the row. */
  extendCopies?: (touches: readonly Touch[]) => Promise<void>;
  onRevokedFound?: (ids: readonly string[]) => Promise<void>;
  onError: (error: Error) => void;
}): TouchBatcher {
  const { db, clock, everyMs } = given;
  const lastTouchedUs = new Map<string, number>();
  const pending = new Map<string, Touch>();
  let isFlushing = false;
  let isFailing = false;

  const flush = async () => {
    if (isFlushing || pending.size === 0) return;
    isFlushing = true;
    const batch = [...pending.values()].slice(0, MAX_PER_FLUSH);
    const ids = batch.map(({ id }) => id);
    for (const id of ids) pending.delete(id);
    // Extended even if PostgreSQL is down: checks then depend on the copies alone.
    const extending = given.extendCopies?.(batch);
    try {
      const revoked = await db.query<{ id: string }>({
        name: 'sessions-touch',
        text: `WITH used AS (SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS u (id, at)),
               free AS (
                 SELECT s.id, used.at FROM sessions s JOIN used USING (id)
                  WHERE s.revoked_at IS NULL AND s.last_seen_at < used.at FOR UPDATE OF s SKIP LOCKED),
               seen AS (UPDATE sessions SET last_seen_at = free.at FROM free WHERE sessions.id = free.id)
               SELECT id FROM sessions WHERE id = ANY($1::text[]) AND revoked_at IS NOT NULL`,
        // When it was used, not when that is written: the row ends with its copy.
        values: [ids, batch.map(({ usedAtUs }) => isoFromUs(usedAtUs))],
      });
      isFailing = false;
      if (revoked.length > 0) await given.onRevokedFound?.(revoked.map(({ id }) => id));
    } catch (error) {
      // Retried at the session's next use.
      for (const id of ids) lastTouchedUs.delete(id);
      // One log entry per outage.
      if (!isFailing) given.onError(error as Error);
      isFailing = true;
    } finally {
      await extending;
      isFlushing = false;
    }
  };

  const timer = setInterval(() => void flush(), Math.min(everyMs, MAX_FLUSH_INTERVAL_MS));
  timer.unref();

  return {
    touch({ id, endsAtMs }) {
      const nowUs = clock.nowUs();
      const lastUs = lastTouchedUs.get(id);
      if (lastUs !== undefined && nowUs < lastUs + everyMs * 1_000) return;
      // PostgreSQL cannot keep up: drop this touch, a later use is written.
      if (pending.size >= MAX_TRACKED) return;
      lastTouchedUs.delete(id);
      lastTouchedUs.set(id, nowUs);
      pending.set(id, { id, endsAtMs, usedAtUs: nowUs });
      if (lastTouchedUs.size <= MAX_TRACKED) return;
      const oldest = lastTouchedUs.keys().next();
      if (!oldest.done) lastTouchedUs.delete(oldest.value);
    },
    flush,
    close: () => clearInterval(timer),
  };
}
