/**
 * Who may admit how much when not everybody can ask Redis. In any window W: at most N by Redis plus `share` x N by all
 * processes on their own, whoever is cut off from Redis, from PostgreSQL or from both, and whatever dies and returns,
 * two Redis processes at one time included. Assumed: clocks run at one rate, and a name is used by one process at a time.
 *
 * Each process keeps a row; `settle` is the step from the table to the process's next row, under a lock. Rows err
 * upward: what a process may do is written before it does it, and struck out after it has stopped. Hence:
 * 1. Parts. They sum to at most 1, and one counts until W after its process last admitted by it; so all local
 *    admissions of a window are at most `share` x N. A request whose answer did not come counts in Redis, if it got
 *    there, and is decided again locally: counted twice, admitted once at most.
 * 2. Generations. An answer counts only with leave for that run id, and leave is given when nobody can have taken an
 *    answer from another one for W. So the same Redis is used again at once, and one that has forgotten exactly when
 *    there is nothing left to remember. That is the shortest wait without telling it: a window that holds both could
 *    hold 2 N.
 * 3. Growth. The share becomes the whole when nobody can have taken an answer from any Redis for W and nobody sees
 *    one; leave for a Redis is given when nobody can have admitted by growth for W. No window holds both.
 * 4. Silence. A process that PostgreSQL does not confirm stops growth after `growthMs`, Redis after `trustMs` and its
 *    part after `holdMs`, from before it asked; the others assume so from after they heard. Silence is not death.
 */

/** The last is long: without PostgreSQL a process lives on its part. */
export const growthMs = 5_000;
export const trustMs = 30_000;
export const holdMs = 3_600_000;

/** Times are milliseconds of the table's clock. */
export interface MemberRow {
  readonly incarnation: string;
  /** A new incarnation of a name ends the old one. */
  readonly name: string;
  /** Of what all may admit locally: the largest that may count in a window from now. */
  readonly part: number;
  /** The Redis it has asked last. */
  readonly runId: string | null;
  /** May be taking its answers; otherwise none later than `lastUseMs`. */
  readonly asks: boolean;
  readonly lastUseMs: number | null;
  /** Sees a Redis that it may not use yet. */
  readonly wants: boolean;
  /** May be admitting without the share's reduction; otherwise not later than `lastGrownMs`. */
  readonly grown: boolean;
  readonly lastGrownMs: number | null;
  readonly confirmedMs: number;
  readonly goneMs: number | null;
}

/** What a process says of itself, true when it is sent. */
export interface Report {
  /** The Redis it can reach. */
  readonly runId: string | null;
  /** It has leave, and may be taking answers meanwhile. */
  readonly asking: boolean;
  /** The Redis it has taken answers from last. */
  readonly lastRunId: string | null;
  readonly lastUseAgoMs: number | null;
  readonly grown: boolean;
  readonly lastGrownAgoMs: number | null;
  /** The largest part in force now or admitted by within the last window. */
  readonly usedPart: number;
}

export interface Verdict {
  /** From now on, if this is known to be committed. */
  readonly part: number;
  readonly grown: boolean;
  readonly mayAsk: string | null;
  /** Another process has taken the name. */
  readonly replaced: boolean;
}

export interface Settled {
  readonly verdict: Verdict;
  /** To be stored, all or nothing. */
  readonly members: readonly MemberRow[];
}

const never = Number.NEGATIVE_INFINITY;

/** The latest time this row's process can have taken an answer from Redis; later than now when it may still. */
const lastUse = (row: MemberRow): number =>
  row.asks ? (row.goneMs ?? row.confirmedMs + trustMs) : (row.lastUseMs ?? never);

const lastGrown = (row: MemberRow): number =>
  row.grown ? (row.goneMs ?? row.confirmedMs + growthMs) : (row.lastGrownMs ?? never);

const lastLocal = (row: MemberRow): number => row.goneMs ?? row.confirmedMs + holdMs;

export function settle(
  members: readonly MemberRow[],
  me: { readonly incarnation: string; readonly name: string },
  report: Report,
  nowMs: number,
  windowMs: number,
): Settled {
  const mine = members.find(({ incarnation }) => incarnation === me.incarnation);
  if (mine && mine.goneMs !== null)
    return { verdict: { part: 0, grown: false, mayAsk: null, replaced: true }, members };
  const past = (ms: number) => ms + windowMs <= nowMs;
  const others = members
    .filter((row) => row !== mine)
    .map((row) => (row.name === me.name && row.goneMs === null ? { ...row, goneMs: nowMs } : row))
    .filter((row) => !past(lastLocal(row)));

  const alive = others.filter((row) => row.goneMs === null && lastLocal(row) > nowMs);
  const taken = others.reduce((sum, row) => sum + row.part, 0);
  const part = Math.max(0, Math.min(1 / (alive.length + 1), 1 - taken));

  const ago = (ms: number | null) => (ms === null ? never : nowMs - ms);
  const myUse = report.asking ? nowMs : ago(report.lastUseAgoMs);
  const myGrowth = report.grown ? nowMs : ago(report.lastGrownAgoMs);
  const { runId } = report;
  const mayAsk =
    runId !== null &&
    (report.lastRunId === runId || past(myUse)) &&
    past(myGrowth) &&
    others.every((row) => (row.runId === runId || past(lastUse(row))) && past(lastGrown(row)));
  const wanted = alive.some((row) => row.wants && row.confirmedMs + growthMs > nowMs);
  const unused = past(myUse) && others.every((row) => past(lastUse(row)));
  const grown = runId === null && !wanted && unused;

  const row: MemberRow = {
    ...me,
    part: Math.max(part, report.usedPart),
    runId: mayAsk ? runId : report.lastRunId,
    asks: mayAsk || report.asking,
    lastUseMs: finite(myUse),
    wants: runId !== null && !mayAsk,
    grown: grown || report.grown,
    lastGrownMs: finite(myGrowth),
    confirmedMs: nowMs,
    goneMs: null,
  };
  const verdict = { part, grown, mayAsk: mayAsk ? runId : null, replaced: false };
  return { verdict, members: [...others, row] };
}

const finite = (ms: number) => (ms === never ? null : ms);
