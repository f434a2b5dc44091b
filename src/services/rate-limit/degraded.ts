/**
 * Who may admit how much while some processes cannot use Redis. In any window W: at most N by Redis plus `share` x N by
 * all processes on their own, whichever of them are cut off from Redis, from PostgreSQL or from both, whatever crashes
 * and restarts, and also while two Redis processes run at one time. Assumed: clocks run at one rate, and a name is used
 * by one process at a time.
 *
 * Each process keeps a row; `processReport` computes a process's next row from the table, under a lock. A row never
 * understates: what a process may do is written before it does it, and removed after it has stopped. Hence:
 * 1. Quota shares. They sum to at most 1, and one counts until W after its process last admitted by it; so all local
 *    admissions of a window are at most `share` x N. A request whose answer was lost counts in Redis, if it arrived
 *    there, and is decided again locally: counted twice, admitted once at most.
 * 2. Redis grants. An answer counts only with a grant for that run id, which is given when no process can have used an
 *    answer of another run id for W. So the same Redis is used again at once, and one that lost its data as soon as
 *    nothing in the lost data counts any more. A shorter wait would let one window hold 2 N.
 * 3. Expansion. The degraded share becomes the whole limit when no process can have used an answer of any Redis for W
 *    and none can reach one; a Redis grant is given when no process can have admitted while expanded for W. So no
 *    window holds both.
 * 4. Expiry. A process that PostgreSQL does not confirm stops expansion after `EXPANSION_TTL_MS`, Redis after
 *    `REDIS_GRANT_TTL_MS` and its quota share after `QUOTA_SHARE_TTL_MS`, counted from before it sent its report; the
 *    others count from after they received it. A silent process is not taken for dead before that.
 */

/** The last is long, because without PostgreSQL a process has only its quota share to admit by. */
export const EXPANSION_TTL_MS = 5_000;
export const REDIS_GRANT_TTL_MS = 30_000;
export const QUOTA_SHARE_TTL_MS = 3_600_000;

/** Times are milliseconds of the database's clock. */
export interface MemberRow {
  readonly incarnation: string;
  /** A new incarnation of a name ends the old one. */
  readonly name: string;
  /** Of what all may admit locally: the largest share that may count in a window from now. */
  readonly quotaShare: number;
  /** The Redis it used last. */
  readonly runId: string | null;
  /** May be using its answers; otherwise none later than `lastUseMs`. */
  readonly usesRedis: boolean;
  readonly lastUseMs: number | null;
  /** Reaches a Redis that it may not use yet. */
  readonly awaitsRedis: boolean;
  /** May be admitting by the whole limit; otherwise not later than `lastExpandedMs`. */
  readonly expanded: boolean;
  readonly lastExpandedMs: number | null;
  readonly confirmedMs: number;
  readonly goneMs: number | null;
}

/** The state of one process, true when it is sent. */
export interface MemberReport {
  /** The Redis it can reach. */
  readonly runId: string | null;
  /** It has a grant, and may be using answers meanwhile. */
  readonly usesRedis: boolean;
  readonly lastUsedRunId: string | null;
  readonly lastUseAgoMs: number | null;
  readonly expanded: boolean;
  readonly lastExpandedAgoMs: number | null;
  /** The largest share in force now or admitted by within the last window. */
  readonly usedQuotaShare: number;
}

/** Valid once it is known to be committed. */
export interface MemberGrant {
  readonly quotaShare: number;
  readonly expanded: boolean;
  readonly grantedRunId: string | null;
  /** Another process has taken the name. */
  readonly isReplaced: boolean;
}

export interface ReportOutcome {
  readonly grant: MemberGrant;
  /** To be stored, all or nothing. */
  readonly members: readonly MemberRow[];
}

const NEVER = Number.NEGATIVE_INFINITY;

/** The latest time this row's process can have used an answer of Redis; later than now when it may still. */
const lastRedisUseOf = (row: MemberRow): number =>
  row.usesRedis ? (row.goneMs ?? row.confirmedMs + REDIS_GRANT_TTL_MS) : (row.lastUseMs ?? NEVER);

const lastExpandedOf = (row: MemberRow): number =>
  row.expanded ? (row.goneMs ?? row.confirmedMs + EXPANSION_TTL_MS) : (row.lastExpandedMs ?? NEVER);

const lastLocalAdmissionOf = (row: MemberRow): number =>
  row.goneMs ?? row.confirmedMs + QUOTA_SHARE_TTL_MS;

export function processReport(
  members: readonly MemberRow[],
  me: { readonly incarnation: string; readonly name: string },
  report: MemberReport,
  nowMs: number,
  windowMs: number,
): ReportOutcome {
  const mine = members.find(({ incarnation }) => incarnation === me.incarnation);
  if (mine && mine.goneMs !== null) {
    const nothing = { quotaShare: 0, expanded: false, grantedRunId: null, isReplaced: true };
    return { grant: nothing, members };
  }
  const isPast = (ms: number) => ms + windowMs <= nowMs;
  const others = members
    .filter((row) => row !== mine)
    .map((row) => (row.name === me.name && row.goneMs === null ? { ...row, goneMs: nowMs } : row))
    .filter((row) => !isPast(lastLocalAdmissionOf(row)));

  const alive = others.filter((row) => row.goneMs === null && lastLocalAdmissionOf(row) > nowMs);
  const othersShare = others.reduce((sum, row) => sum + row.quotaShare, 0);
  const quotaShare = Math.max(0, Math.min(1 / (alive.length + 1), 1 - othersShare));

  const ago = (ms: number | null) => (ms === null ? NEVER : nowMs - ms);
  const myUseMs = report.usesRedis ? nowMs : ago(report.lastUseAgoMs);
  const myExpandedMs = report.expanded ? nowMs : ago(report.lastExpandedAgoMs);
  const { runId } = report;
  const mayUseRedis =
    runId !== null &&
    (report.lastUsedRunId === runId || isPast(myUseMs)) &&
    isPast(myExpandedMs) &&
    others.every(
      (row) => (row.runId === runId || isPast(lastRedisUseOf(row))) && isPast(lastExpandedOf(row)),
    );
  const isRedisAwaited = alive.some(
    (row) => row.awaitsRedis && row.confirmedMs + EXPANSION_TTL_MS > nowMs,
  );
  const isRedisUnused = isPast(myUseMs) && others.every((row) => isPast(lastRedisUseOf(row)));
  const expanded = runId === null && !isRedisAwaited && isRedisUnused;

  const row: MemberRow = {
    ...me,
    quotaShare: Math.max(quotaShare, report.usedQuotaShare),
    runId: mayUseRedis ? runId : report.lastUsedRunId,
    usesRedis: mayUseRedis || report.usesRedis,
    lastUseMs: finite(myUseMs),
    awaitsRedis: runId !== null && !mayUseRedis,
    expanded: expanded || report.expanded,
    lastExpandedMs: finite(myExpandedMs),
    confirmedMs: nowMs,
    goneMs: null,
  };
  const grantedRunId = mayUseRedis ? runId : null;
  return {
    grant: { quotaShare, expanded, grantedRunId, isReplaced: false },
    members: [...others, row],
  };
}

const finite = (ms: number) => (ms === NEVER ? null : ms);
