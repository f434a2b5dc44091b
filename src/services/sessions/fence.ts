/**
 * Which generation of copies in Redis counts. The number is in PostgreSQL; a logout that Redis did not confirm adds
 * one, and is answered when no process uses an older number any more. Whatever Redis comes back with is then unread.
 *
 * Every process reads the number each third of a lease, and puts on record that it uses it (`session_members`)
 * after it began to, never before. It uses Redis
 *   - until `leaseMs` after it sent the last read that was answered, or
 *   - while PostgreSQL does not answer, until `graceMs` after it sent the last record that was answered.
 * So whoever is not on record with the new number, and has not been silent for the grace, may still use the old
 * one: such a logout is not confirmed (503), and is durable all the same.
 *
 * A process takes over the row of its name: the supervisor starts a name only when its predecessor is gone.
 * Durations are measured on each machine's own monotonic clock, PostgreSQL's from its wall clock.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Database, type Random, ServiceError } from '../ports.ts';
import { startPatiently } from '../start-patiently.ts';

const pollMs = 15;
/** How many leases a logout waits for the others before it says that it is not confirmed. */
const patience = 10;

export interface Fence {
  /** Joins the members; rejects when PostgreSQL is not there. */
  start(): Promise<void>;
  /** Leaves them: nobody waits for a process that has ended properly. */
  close(): Promise<void>;
  /** The generation to look in now; null when PostgreSQL must be asked. */
  current(): number | null;
  /** The same when PostgreSQL turned out not to answer. */
  inGrace(): number | null;
  /** To be asked after a commit: all generations that some process may look in, now or later, with rows from before it. */
  inUse(): Promise<{ from: number; to: number }>;
  /** Resolves when no process looks in a generation that was in use when this was called. */
  advance(): Promise<void>;
}

export function createFence(given: {
  db: Database;
  /** Unique among the processes that run at one time. */
  name: string;
  random: Random;
  leaseMs: number;
  graceMs: number;
  monotonicMs: () => number;
  fenced: (seconds: number, confirmed: boolean) => void;
  report: (error: Error) => void;
}): Fence {
  const { db, name, leaseMs, graceMs, monotonicMs, report } = given;
  const incarnation = given.random.uuid();
  /** A record is renewed often enough to leave nearly the whole grace, and costs a commit. */
  const recordEveryMs = Math.min(1_000, graceMs / 5);

  let generation = 0;
  let leaseUntil = 0;
  let graceUntil = 0;
  let recordedMs = 0;
  let failing = false;
  let replaced = false;
  let closed = false;
  let wake = () => {};
  let loop: Promise<void> = Promise.resolve();

  const adopt = (sentMs: number, found: number) => {
    leaseUntil = sentMs + leaseMs;
    failing = false;
    // Never back: a read that was overtaken may show an older one.
    const isNew = found > generation;
    if (isNew) generation = found;
    return isNew;
  };

  const register = async () => {
    const sentMs = monotonicMs();
    // The lock orders this against a bump: either it sees us, or we see it.
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
    adopt(sentMs, Number(rows[0]!.generation));
    recordedMs = sentMs;
    graceUntil = sentMs + graceMs - leaseMs;
  };

  /** Reads the number and, when it is time, records the one in use. True when another number was found. */
  const renew = async (): Promise<boolean> => {
    const sentMs = monotonicMs();
    if (sentMs < recordedMs + recordEveryMs) {
      const rows = await db.query<{ generation: string }>({
        name: 'session-fence-read',
        text: 'SELECT generation FROM session_fence',
      });
      return adopt(sentMs, Number(rows[0]!.generation));
    }
    const rows = await db.query<{ generation: string }>({
      name: 'session-fence-record',
      // Locked as in `register`: nobody waits for one silent beyond its grace, so on its return it must see the bump.
      text: `WITH fence AS (SELECT generation FROM session_fence FOR SHARE)
             UPDATE session_members AS member SET generation = $3, confirmed_at = clock_timestamp() FROM fence
              WHERE name = $1 AND incarnation = $2
             RETURNING fence.generation`,
      values: [name, incarnation, generation],
    });
    if (rows.length === 0) {
      replaced = true;
      report(new Error(`another process runs as ${name}; this one stops using Redis for sessions`));
      return false;
    }
    recordedMs = sentMs;
    graceUntil = sentMs + graceMs - leaseMs;
    return adopt(sentMs, Number(rows[0]!.generation));
  };

  const run = async () => {
    while (!closed && !replaced) {
      const late = setTimeout(() => {
        failing = true;
      }, leaseMs);
      try {
        if (await renew()) {
          recordedMs = Number.NEGATIVE_INFINITY;
          continue;
        }
      } catch (error) {
        if (!failing) report(error as Error);
        failing = true;
      } finally {
        clearTimeout(late);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leaseMs / 3);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };

  const olderMembers = async (target: number) => {
    const rows = await db.query<{ count: string }>({
      name: 'session-fence-older',
      text: `SELECT count(*) AS count FROM session_members
              WHERE generation < $1 AND confirmed_at > clock_timestamp() - make_interval(secs => $2)`,
      values: [target, graceMs / 1_000],
    });
    return Number(rows[0]!.count);
  };

  const bump = async () => {
    const startedMs = monotonicMs();
    const seconds = () => (monotonicMs() - startedMs) / 1_000;
    try {
      const rows = await db.query<{ generation: string }>({
        text: 'UPDATE session_fence SET generation = generation + 1 RETURNING generation',
      });
      const target = Number(rows[0]!.generation);
      wake();
      while ((await olderMembers(target)) > 0) {
        if (monotonicMs() - startedMs > patience * leaseMs)
          throw new Error('a process has not confirmed');
        await delay(pollMs);
      }
      given.fenced(seconds(), true);
    } catch (cause) {
      given.fenced(seconds(), false);
      throw unconfirmed(cause);
    }
  };

  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const launch = () => {
    next = null;
    const mine = bump().finally(() => {
      if (running === mine) running = null;
    });
    running = mine;
    return mine;
  };

  const usable = () => !replaced && !closed && monotonicMs() < graceUntil;
  return {
    async start() {
      await startPatiently(register);
      loop = run();
    },
    async close() {
      closed = true;
      wake();
      await loop;
      await db
        .query({
          text: 'DELETE FROM session_members WHERE name = $1 AND incarnation = $2',
          values: [name, incarnation],
        })
        .catch(report);
    },
    current: () => (usable() && (failing || monotonicMs() < leaseUntil) ? generation : null),
    inGrace: () => (usable() ? generation : null),
    async inUse() {
      const rows = await db.query<{ from: string; to: string }>({
        name: 'session-fence-in-use',
        text: `SELECT generation AS "to", coalesce((SELECT min(generation) FROM session_members
                 WHERE confirmed_at > clock_timestamp() - make_interval(secs => $1)), generation) AS "from"
                 FROM session_fence`,
        values: [graceMs / 1_000],
      });
      return { from: Number(rows[0]!.from), to: Number(rows[0]!.to) };
    },
    // One that has begun may have been too early for this caller's commit; the next one serves all who came since.
    advance() {
      if (!running) return launch();
      next ??= running.then(launch, launch);
      return next;
    },
  };
}

const unconfirmed = (cause: unknown) =>
  new ServiceError(
    {
      status: 503,
      code: 'logout-unconfirmed',
      detail: 'The session has ended, but a process has not confirmed it yet. Try again.',
      headers: { 'retry-after': '1' },
    },
    { cause },
  );
