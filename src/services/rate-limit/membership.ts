/**
 * This process's row among the processes that limit, in PostgreSQL: it reports every `refreshMs`, four times as often
 * after a failed report, and applies the grant it gets. One report at a time, each a transaction under one lock. A
 * failed report may have been stored: its grant is not applied, and what it gave up stays given up.
 */
import type { Database, Random, TransactionalDatabase } from '../ports.ts';
import { retryOnTimeout } from '../retry-on-timeout.ts';
import { createWakeableDelay } from '../wakeable-delay.ts';
import { type MemberRow, processReport } from './degraded.ts';
import type { Permission } from './permission.ts';

export interface Membership {
  /** Joins; rejects when PostgreSQL is not there. */
  start(): Promise<void>;
  /** Sends the next report now, because something has changed. */
  pollNow(): void;
  /** Leaves; its admissions still count for a window. */
  close(): Promise<void>;
}

export function createMembership(options: {
  /** Connections that nothing else can keep busy. */
  db: TransactionalDatabase;
  /** Unique among the processes that run at one time. */
  name: string;
  random: Random;
  windowMs: number;
  refreshMs: number;
  monotonicMs: () => number;
  permission: Permission;
  runId: () => string | null;
  onError: (error: Error) => void;
}): Membership {
  const { db, name, windowMs, refreshMs, monotonicMs, permission, onError } = options;
  const me = { name, incarnation: options.random.uuid() };
  let isClosed = false;
  let isReplaced = false;
  let isFailing = false;
  let isPollRequested = false;
  const pause = createWakeableDelay();
  let loop: Promise<void> = Promise.resolve();

  /** Resolves with true when the next report should follow at once. */
  const poll = async (): Promise<boolean> => {
    let sentMs = 0;
    const grant = await db.transaction(async (tx) => {
      await lockTable(tx);
      // Before the database's clock is read, so that its dates are never too early.
      sentMs = monotonicMs();
      const memberReport = permission.buildReport(options.runId(), sentMs);
      const { nowMs, members } = await readTable(tx);
      const outcome = processReport(members, me, memberReport, nowMs, windowMs);
      if (!outcome.grant.isReplaced) await writeTable(tx, members, outcome.members, me.incarnation);
      return outcome.grant;
    });
    isFailing = false;
    if (grant.isReplaced) {
      isReplaced = true;
      onError(new Error(`another process limits as ${name}; this one admits nothing any more`));
    }
    return permission.applyGrant(grant, sentMs) && !isReplaced;
  };

  const pollLoop = async () => {
    while (!isClosed && !isReplaced) {
      isPollRequested = false;
      let isNextDue = false;
      try {
        isNextDue = await poll();
      } catch (error) {
        if (!isFailing) onError(error as Error);
        isFailing = true;
      }
      if (isNextDue || (isPollRequested && !isFailing)) continue;
      // Until a report succeeds, this process may have no share of the limit and reject every request.
      await pause.wait(isFailing ? refreshMs / 4 : refreshMs);
    }
  };

  return {
    async start() {
      await retryOnTimeout(async () => void (await poll()));
      loop = pollLoop();
    },
    pollNow() {
      isPollRequested = true;
      pause.wake();
    },
    async close() {
      isClosed = true;
      pause.wake();
      await loop;
      if (isReplaced) return;
      await db
        .query({
          text: `UPDATE limiter_members SET gone_ms = ${CLOCK_MS_SQL} WHERE incarnation = $1 AND gone_ms IS NULL`,
          values: [me.incarnation],
        })
        .catch(onError);
    },
  };
}

const CLOCK_MS_SQL = 'extract(epoch FROM clock_timestamp())::double precision * 1000';

async function lockTable(tx: Database): Promise<void> {
  // A suspended process must not keep the lock. The next statement sees what was stored before the lock.
  await tx.query({
    text: `SET LOCAL idle_in_transaction_session_timeout = 1000;
           SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.limiter_members', 0))`,
  });
}

async function readTable(tx: Database): Promise<{ nowMs: number; members: MemberRow[] }> {
  const rows = await tx.query<{ nowMs: number; members: MemberRow[] }>({
    name: 'limiter-members',
    text: `SELECT ${CLOCK_MS_SQL} AS "nowMs", (SELECT coalesce(json_agg(json_build_object(
             'incarnation', incarnation, 'name', name, 'quotaShare', part, 'runId', run_id, 'usesRedis', asks,
             'lastUseMs', last_use_ms, 'awaitsRedis', wants, 'expanded', grown, 'lastExpandedMs', last_grown_ms,
             'confirmedMs', confirmed_ms, 'goneMs', gone_ms)), '[]') FROM limiter_members) AS members`,
  });
  return rows[0]!;
}

async function writeTable(
  tx: Database,
  before: readonly MemberRow[],
  after: readonly MemberRow[],
  incarnation: string,
): Promise<void> {
  const rowsAfter = new Map(after.map((row) => [row.incarnation, row]));
  const row = rowsAfter.get(incarnation)!;
  const ids = (rows: readonly MemberRow[]) => rows.map((member) => member.incarnation);
  const forgotten = before.filter((member) => !rowsAfter.has(member.incarnation));
  const ended = before.filter(
    (member) =>
      member.goneMs === null && (rowsAfter.get(member.incarnation)?.goneMs ?? null) !== null,
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
      row.incarnation,
      row.name,
      row.quotaShare,
      row.runId,
      row.usesRedis,
      row.lastUseMs,
      row.awaitsRedis,
      row.expanded,
      row.lastExpandedMs,
      row.confirmedMs,
      ids(forgotten),
      ids(ended),
    ],
  });
}
