/**
 * PostgreSQL is the truth, Redis answers the checks. Why no ended session is accepted:
 *
 *   check   GETEX of the copy in the current generation (fence.ts says which, and whether). No copy: take a ticket
 *           from Redis, then read the row, then write the copy if the ticket still holds (cache.ts).
 *           Redis failing or slow is not a missing copy: the check reads the row (loads.ts) and nobody is logged out.
 *   end     hold the copies, commit (ledger.ts), then bury them: a tombstone in every generation somebody may look
 *           in, asked after the commit. A generation that begins later is filled from rows read after the commit.
 *           Not buried: advance the fence. Neither: 503, durable and not confirmed.
 *   hold    between its commit and its tombstone a check must not see "ended" in one process and "live" in the next;
 *           so while it lasts all of them read the row. Best effort: the promise does not rest on it.
 *   touch   updates rows that are live; GETEX extends what is there. Nothing else writes. A copy that is in use though
 *           its row is revoked (the ending process died before it could bury it, and nobody asked again) is buried.
 */
import type { ReadThroughDesign, SessionsDesign } from '../design.ts';
import type { Clock, Database, Random, TransactionalDatabase } from '../ports.ts';
import type { SessionCache } from './cache.ts';
import type { Session, SessionObserver, SessionStore } from './contract.ts';
import type { Fence } from './fence.ts';
import { createLedger, findSessions, type LedgerRow } from './ledger.ts';
import { createLedgerStore } from './ledger-store.ts';
import { createLoads } from './loads.ts';
import { hasEnded, hasIdled, idleTtlMs, publicSession, type StoredSession } from './policy.ts';
import { RedisUnavailable } from '../redis-link.ts';
import { type PresentedToken, readToken, sameHash } from './token.ts';
import { createTouches } from './touch.ts';

/** More generations than this at once: the fence is cheaper than the tombstones. */
const maxGenerations = 4;

export function createReadThroughStore(given: {
  db: TransactionalDatabase;
  /** For reads of rows; tests delay it. */
  reads?: Database;
  cache: SessionCache;
  fence: Fence;
  clock: Clock;
  random: Random;
  design: SessionsDesign;
  store: ReadThroughDesign;
  observer: SessionObserver;
}): SessionStore {
  const { db, cache, fence, clock, design, store, observer } = given;
  const reads = given.reads ?? db;
  const nowMs = () => Math.floor(clock.nowUs() / 1_000);
  const loads = createLoads<LedgerRow>({
    find: (ids) => findSessions(reads, ids),
    maxConcurrent: store.maxConcurrentLoads,
    maxWaiting: store.maxWaitingLoads,
  });

  const touches = createTouches({
    ...{ db, clock, everyMs: store.touchEveryMs, report: observer.report },
    foundRevoked: async (ids) => void (await bury(ids)),
  });

  const accept = (stored: StoredSession, presented: PresentedToken): Session | null => {
    if (!sameHash(stored.secretHash, presented.secretHash) || hasEnded(stored, nowMs()))
      return null;
    touches.seen(stored.id);
    return publicSession(stored);
  };

  const isOver = (row: LedgerRow) =>
    row.revoked || hasEnded(row, nowMs()) || hasIdled(row.lastSeenAtMs, nowMs(), design);

  const fromRow = async (presented: PresentedToken): Promise<Session | null> => {
    observer.fellBack();
    const row = await loads.load(presented.id);
    return row && !isOver(row) ? accept(row, presented) : null;
  };

  const fill = async (generation: number, presented: PresentedToken): Promise<Session | null> => {
    const ticket = await cache.begin();
    const row = await loads.load(presented.id);
    if (!row) return null;
    const copy = isOver(row)
      ? { endedId: row.id }
      : { session: row, ttlMs: idleTtlMs(row, nowMs(), design) };
    // Without the copy the next check reads the row again; this one has its answer.
    await cache.populate(ticket, generation, copy).catch(ignoreRedis);
    return 'session' in copy ? accept(row, presented) : null;
  };

  /** Whoever has the id without the secret does not keep the session from idling. */
  const unextend = async (generation: number, stored: StoredSession): Promise<void> => {
    const row = await loads.load(stored.id).catch(() => null);
    if (!row) return;
    const untilMs = row.lastSeenAtMs + design.idleTimeoutMs;
    await cache.unextend(generation, stored, untilMs).catch(ignoreRedis);
  };

  const fromCache = async (
    generation: number,
    presented: PresentedToken,
  ): Promise<Session | null> => {
    const looked = await cache.look(generation, presented.id, design.idleTimeoutMs);
    observer.looked(looked !== 'absent');
    if (looked === 'absent') return fill(generation, presented);
    if (looked === 'ended') return null;
    if (sameHash(looked.secretHash, presented.secretHash)) return accept(looked, presented);
    await unextend(generation, looked);
    return null;
  };

  /** PostgreSQL turned out to be down and the lease had just run out: the rule for that case still applies. */
  const lastResort = async (presented: PresentedToken, cause: unknown): Promise<Session | null> => {
    const generation = fence.inGrace();
    if (generation === null || !cache.usable()) throw cause;
    const looked = await cache.look(generation, presented.id, design.idleTimeoutMs).catch(() => {
      throw cause;
    });
    if (looked === 'absent') throw cause;
    return looked === 'ended' ? null : accept(looked, presented);
  };

  const bury = async (ids: readonly string[]): Promise<boolean> => {
    const inUse = await fence.inUse();
    if (inUse.to - inUse.from >= maxGenerations || !cache.usable()) return false;
    try {
      await cache.bury(inUse, ids);
      return true;
    } catch (error) {
      ignoreRedis(error);
      return false;
    }
  };

  const settle = async (ids: readonly string[]): Promise<void> => {
    if (ids.length > 0 && !(await bury(ids))) await fence.advance();
  };

  const hold = async (ids: readonly string[]): Promise<void> => {
    const generation = fence.current();
    if (generation === null || ids.length === 0 || !cache.usable()) return;
    await cache.hold(generation, ids).catch(ignoreRedis);
  };

  return {
    ...createLedgerStore({ ...given, ledger: createLedger(given), hold, settle }),
    start: () => fence.start(),
    async close() {
      touches.close();
      await touches.flush();
      await fence.close();
      cache.close();
    },
    async check(token) {
      const presented = readToken(token, design.region);
      if (!presented) return null;
      const generation = fence.current();
      if (generation !== null && cache.usable()) {
        try {
          return await fromCache(generation, presented);
        } catch (error) {
          ignoreRedis(error);
        }
        return fromRow(presented);
      }
      if (generation !== null) return fromRow(presented);
      return fromRow(presented).catch((error) => lastResort(presented, error));
    },
  };
}

/** Redis may fail; anything else may not be swallowed with it. */
function ignoreRedis(error: unknown): void {
  if (!(error instanceof RedisUnavailable)) throw error;
}
