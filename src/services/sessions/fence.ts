/**
 * Which generation of copies in Redis is valid. The number is in PostgreSQL. A logout whose tombstones Redis did not
 * confirm increments it, and is answered when no process uses an older number any more: no process reads what Redis
 * held before.
 *
 * Every process reads the number each third of `generationTtlMs`, and records that it uses it (`session_members`)
 * after it began to, never before. It uses Redis
 *   - until `generationTtlMs` after it sent the last read that was answered, or
 *   - while PostgreSQL does not answer, until `graceMs` after it sent the last record that was answered.
 * So a process that has not recorded the new number, and has been silent for less than the grace, may still use the
 * old one: such a logout is not confirmed (503), and is durable all the same.
 *
 * A process takes over the row of its name: the supervisor starts a name only when its predecessor is gone.
 * Durations are measured on each machine's own monotonic clock, PostgreSQL's from its wall clock.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Database, type Random, ServiceError } from '../ports.ts';
import { retryOnTimeout } from '../retry-on-timeout.ts';
import { createWakeableDelay } from '../wakeable-delay.ts';

const POLL_MS = 15;
/** How many times `generationTtlMs` a logout waits for the other processes before it answers 503. */
const MAX_WAIT_TTLS = 10;

export interface Fence {
  /** Registers this process; rejects when PostgreSQL is not reachable. */
  start(): Promise<void>;
  /** Unregisters this process, so that no logout waits for it. */
  close(): Promise<void>;
  /** The generation to read now; null when checks must read PostgreSQL. */
  currentGeneration(): number | null;
  /** The same after PostgreSQL failed to answer: non-null within the grace. */
  graceGeneration(): number | null;
  /** Called after a commit: every generation that some process may read, and fill from rows older than the commit. */
  generationsInUse(): Promise<{ from: number; to: number }>;
  /** Resolves when no process reads a generation that was in use when this was called. */
  advanceGeneration(): Promise<void>;
}

export function createFence(given: {
  db: Database;
  /** Unique among the processes that run at one time. */
  name: string;
  random: Random;
  generationTtlMs: number;
  graceMs: number;
  monotonicMs: () => number;
  onFence: (seconds: number, isConfirmed: boolean) => void;
  onError: (error: Error) => void;
}): Fence {
  const { db, name, generationTtlMs, graceMs, monotonicMs, onError } = given;
  const rows = createFenceRows({ db, name, incarnation: given.random.uuid(), graceMs });
  /** Often enough to leave nearly the whole grace; each record costs a commit. */
  const recordEveryMs = Math.min(1_000, graceMs / 5);

  let generation = 0;
  let currentUntilMs = 0;
  let graceUntilMs = 0;
  let recordedMs = 0;
  let isFailing = false;
  let isReplaced = false;
  let isClosed = false;
  const pause = createWakeableDelay();
  let loop: Promise<void> = Promise.resolve();

  const adopt = (sentMs: number, found: number) => {
    currentUntilMs = sentMs + generationTtlMs;
    isFailing = false;
    // Never backwards: a slow read may return an older number.
    const isNew = found > generation;
    if (isNew) generation = found;
    return isNew;
  };

  const register = async () => {
    const sentMs = monotonicMs();
    adopt(sentMs, await rows.register());
    recordedMs = sentMs;
    graceUntilMs = sentMs + graceMs - generationTtlMs;
  };

  /** Reads the number and, every `recordEveryMs`, records the one in use. True when the number is new. */
  const readOrRecord = async (): Promise<boolean> => {
    const sentMs = monotonicMs();
    if (sentMs < recordedMs + recordEveryMs) return adopt(sentMs, await rows.read());
    const found = await rows.record(generation);
    if (found === null) {
      isReplaced = true;
      onError(
        new Error(`another process runs as ${name}; this one stops using Redis for sessions`),
      );
      return false;
    }
    recordedMs = sentMs;
    graceUntilMs = sentMs + graceMs - generationTtlMs;
    return adopt(sentMs, found);
  };

  const pollGeneration = async () => {
    while (!isClosed && !isReplaced) {
      const late = setTimeout(() => {
        isFailing = true;
      }, generationTtlMs);
      try {
        if (await readOrRecord()) {
          recordedMs = Number.NEGATIVE_INFINITY;
          continue;
        }
      } catch (error) {
        if (!isFailing) onError(error as Error);
        isFailing = true;
      } finally {
        clearTimeout(late);
      }
      await pause.wait(generationTtlMs / 3);
    }
  };

  const isUsable = () => !isReplaced && !isClosed && monotonicMs() < graceUntilMs;
  return {
    async start() {
      await retryOnTimeout(register);
      loop = pollGeneration();
    },
    async close() {
      isClosed = true;
      pause.wake();
      await loop;
      await rows.unregister().catch(onError);
    },
    currentGeneration: () =>
      isUsable() && (isFailing || monotonicMs() < currentUntilMs) ? generation : null,
    graceGeneration: () => (isUsable() ? generation : null),
    generationsInUse: () => rows.generationsInUse(),
    advanceGeneration: coalesce(() => increment({ ...given, rows, onIncremented: pause.wake })),
  };
}

/**
 * In a transaction that ended sessions without Redis: from `generationTtlMs` after the commit no process reads a copy that
 * was there before, unless it cannot reach PostgreSQL (`graceMs`).
 */
export async function invalidateAllCopies(tx: Database): Promise<void> {
  await tx.query({ text: 'UPDATE session_fence SET generation = generation + 1' });
}

/** Increments the generation, and waits until no process uses an older one. */
async function increment(given: {
  rows: ReturnType<typeof createFenceRows>;
  generationTtlMs: number;
  monotonicMs: () => number;
  onIncremented: () => void;
  onFence: (seconds: number, isConfirmed: boolean) => void;
}): Promise<void> {
  const { rows, generationTtlMs, monotonicMs, onFence } = given;
  const startedMs = monotonicMs();
  const seconds = () => (monotonicMs() - startedMs) / 1_000;
  try {
    const target = await rows.increment();
    given.onIncremented();
    while ((await rows.countOlderMembers(target)) > 0) {
      if (monotonicMs() - startedMs > MAX_WAIT_TTLS * generationTtlMs)
        throw new Error('a process has not confirmed');
      await delay(POLL_MS);
    }
    onFence(seconds(), true);
  } catch (cause) {
    onFence(seconds(), false);
    throw unconfirmedError(cause);
  }
}

/** One run at a time. The running one may have begun before a caller's commit; the next one serves all callers since. */
function coalesce(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const start = () => {
    next = null;
    const started = run().finally(() => {
      if (running === started) running = null;
    });
    running = started;
    return started;
  };
  return () => {
    if (!running) return start();
    next ??= running.then(start, start);
    return next;
  };
}

/** The statements on `session_fence` and `session_members`. */
function createFenceRows({
  db,
  name,
  incarnation,
  graceMs,
}: {
  db: Database;
  name: string;
  incarnation: string;
  graceMs: number;
}) {
  const graceSeconds = graceMs / 1_000;
  return {
    /** Returns the generation. */
    async register(): Promise<number> {
      // The lock orders this against `increment`: either it sees this member, or this sees the new number.
      const rows = await db.query<{ generation: string }>({
        text: `WITH fence AS (SELECT generation FROM session_fence FOR SHARE),
                    gone AS (DELETE FROM session_members WHERE confirmed_at < clock_timestamp() - interval '1 day' AND name <> $1)
               INSERT INTO session_members (name, incarnation, generation, confirmed_at)
               SELECT $1, $2, generation, clock_timestamp() FROM fence
               ON CONFLICT (name) DO UPDATE SET incarnation = excluded.incarnation,
                      generation = excluded.generation, confirmed_at = excluded.confirmed_at
               RETURNING generation`,
        values: [name, incarnation],
      });
      return Number(rows[0]!.generation);
    },

    async read(): Promise<number> {
      const rows = await db.query<{ generation: string }>({
        name: 'session-fence-read',
        text: 'SELECT generation FROM session_fence',
      });
      return Number(rows[0]!.generation);
    },

    /** Records the generation in use and returns the valid one; null when another process has taken over the name. */
    async record(generation: number): Promise<number | null> {
      // Locked as in `register`: no logout waits for a process silent beyond its grace, so on its return it must see
      // the increment.
      const rows = await db.query<{ generation: string }>({
        name: 'session-fence-record',
        text: `WITH fence AS (SELECT generation FROM session_fence FOR SHARE)
               UPDATE session_members AS member SET generation = $3, confirmed_at = clock_timestamp() FROM fence
                WHERE name = $1 AND incarnation = $2
               RETURNING fence.generation`,
        values: [name, incarnation, generation],
      });
      return rows.length === 0 ? null : Number(rows[0]!.generation);
    },

    async increment(): Promise<number> {
      const rows = await db.query<{ generation: string }>({
        text: 'UPDATE session_fence SET generation = generation + 1 RETURNING generation',
      });
      return Number(rows[0]!.generation);
    },

    /** Members that may still use a generation below `target`. */
    async countOlderMembers(target: number): Promise<number> {
      const rows = await db.query<{ count: string }>({
        name: 'session-fence-older',
        text: `SELECT count(*) AS count FROM session_members
                WHERE generation < $1 AND confirmed_at > clock_timestamp() - make_interval(secs => $2)`,
        values: [target, graceSeconds],
      });
      return Number(rows[0]!.count);
    },

    async generationsInUse(): Promise<{ from: number; to: number }> {
      const rows = await db.query<{ from: string; to: string }>({
        name: 'session-fence-in-use',
        text: `SELECT generation AS "to", coalesce((SELECT min(generation) FROM session_members
                 WHERE confirmed_at > clock_timestamp() - make_interval(secs => $1)), generation) AS "from"
                 FROM session_fence`,
        values: [graceSeconds],
      });
      return { from: Number(rows[0]!.from), to: Number(rows[0]!.to) };
    },

    async unregister(): Promise<void> {
      await db.query({
        text: 'DELETE FROM session_members WHERE name = $1 AND incarnation = $2',
        values: [name, incarnation],
      });
    },
  };
}

const unconfirmedError = (cause: unknown) =>
  new ServiceError(
    {
      status: 503,
      code: 'logout-unconfirmed',
      detail: 'The session has ended, but a process has not confirmed it yet. Try again.',
      headers: { 'retry-after': '1' },
    },
    { cause },
  );
