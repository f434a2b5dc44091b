/**
 * The processes that limit, in PostgreSQL: reports what this one does every `refreshMs` and hears what it may do; four
 * times as often after a failed report. One report at a time, each a transaction under one lock. A report that failed
 * may have been stored: nothing is taken up from it, and what it gave up stays given up.
 */
import type { Database, Random, TransactionalDatabase } from '../ports.ts';
import { startPatiently } from '../start-patiently.ts';
import { type MemberRow, settle } from './degraded.ts';
import type { Standing } from './standing.ts';

export interface Members {
  /** Joins; rejects when PostgreSQL is not there. */
  start(): Promise<void>;
  /** Reports soon, because something has changed. */
  hurry(): void;
  /** Leaves: what it admitted still counts for a window. */
  close(): Promise<void>;
}

export function createMembers(given: {
  /** Connections that nothing else can keep busy. */
  db: TransactionalDatabase;
  /** Unique among the processes that run at one time. */
  name: string;
  random: Random;
  windowMs: number;
  refreshMs: number;
  monotonicMs: () => number;
  standing: Standing;
  runId: () => string | null;
  report: (error: Error) => void;
}): Members {
  const { db, name, windowMs, refreshMs, monotonicMs, standing, report } = given;
  const me = { name, incarnation: given.random.uuid() };
  let closed = false;
  let replaced = false;
  let failing = false;
  let hurried = false;
  let wake = () => {};
  let loop: Promise<void> = Promise.resolve();

  /** True when the next one should follow at once. */
  const poll = async (): Promise<boolean> => {
    let sentMs = 0;
    const verdict = await db.transaction(async (tx) => {
      await lockTable(tx);
      // Before the table's clock is read, so that all it dates is dated late. Nothing is taken up until the commit.
      sentMs = monotonicMs();
      const said = standing.report(given.runId(), sentMs);
      const { nowMs, members } = await readTable(tx);
      const settled = settle(members, me, said, nowMs, windowMs);
      if (!settled.verdict.replaced) await store(tx, members, settled.members, me.incarnation);
      return settled.verdict;
    });
    failing = false;
    if (verdict.replaced) {
      replaced = true;
      report(new Error(`another process limits as ${name}; this one admits nothing any more`));
    }
    return standing.settled(verdict, sentMs) && !replaced;
  };

  const run = async () => {
    while (!closed && !replaced) {
      hurried = false;
      let again = false;
      try {
        again = await poll();
      } catch (error) {
        if (!failing) report(error as Error);
        failing = true;
      }
      if (again || (hurried && !failing)) continue;
      // Until a report succeeds, this process may have no share of the limit and reject every request.
      const waitMs = failing ? refreshMs / 4 : refreshMs;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };

  return {
    async start() {
      await startPatiently(async () => void (await poll()));
      loop = run();
    },
    hurry() {
      hurried = true;
      wake();
    },
    async close() {
      closed = true;
      wake();
      await loop;
      if (replaced) return;
      await db
        .query({
          text: `UPDATE limiter_members SET gone_ms = ${clock} WHERE incarnation = $1 AND gone_ms IS NULL`,
          values: [me.incarnation],
        })
        .catch(report);
    },
  };
}

const clock = 'extract(epoch FROM clock_timestamp())::double precision * 1000';

async function lockTable(tx: Database): Promise<void> {
  // A process that stands still must not hold everybody up. The next statement sees what was stored before the lock.
  await tx.query({
    text: `SET LOCAL idle_in_transaction_session_timeout = 1000;
           SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.limiter_members', 0))`,
  });
}

async function readTable(tx: Database): Promise<{ nowMs: number; members: MemberRow[] }> {
  const rows = await tx.query<{ nowMs: number; members: MemberRow[] }>({
    name: 'limiter-members',
    text: `SELECT ${clock} AS "nowMs", (SELECT coalesce(json_agg(json_build_object(
             'incarnation', incarnation, 'name', name, 'part', part, 'runId', run_id, 'asks', asks,
             'lastUseMs', last_use_ms, 'wants', wants, 'grown', grown, 'lastGrownMs', last_grown_ms,
             'confirmedMs', confirmed_ms, 'goneMs', gone_ms)), '[]') FROM limiter_members) AS members`,
  });
  return rows[0]!;
}

async function store(
  tx: Database,
  before: readonly MemberRow[],
  after: readonly MemberRow[],
  incarnation: string,
): Promise<void> {
  const kept = new Map(after.map((row) => [row.incarnation, row]));
  const row = kept.get(incarnation)!;
  const ids = (rows: readonly MemberRow[]) => rows.map((one) => one.incarnation);
  const forgotten = before.filter((one) => !kept.has(one.incarnation));
  const ended = before.filter(
    (one) => one.goneMs === null && (kept.get(one.incarnation)?.goneMs ?? null) !== null,
  );
  await tx.query({
    name: 'limiter-member',
    text: `WITH forgotten AS (DELETE FROM limiter_members WHERE incarnation = ANY($11)),
                ended AS (UPDATE limiter_members SET gone_ms = $10 WHERE incarnation = ANY($12))
           INSERT INTO limiter_members (incarnation, name, part, run_id, asks, last_use_ms, wants, grown,
                  last_grown_ms, confirmed_ms)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           ON CONFLICT (incarnation) DO UPDATE SET part = excluded.part, run_id = excluded.run_id,
                  asks = excluded.asks, last_use_ms = excluded.last_use_ms, wants = excluded.wants,
                  grown = excluded.grown, last_grown_ms = excluded.last_grown_ms,
                  confirmed_ms = excluded.confirmed_ms`,
    values: [
      ...[row.incarnation, row.name, row.part, row.runId, row.asks, row.lastUseMs, row.wants],
      ...[row.grown, row.lastGrownMs, row.confirmedMs, ids(forgotten), ids(ended)],
    ],
  });
}
