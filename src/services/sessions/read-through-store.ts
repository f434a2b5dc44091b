/**
 * PostgreSQL is the truth, Redis answers the checks. Why no ended session is accepted:
 *
 *   check   GET of the copy in the current generation (fence.ts says which, and whether). No copy: take a ticket
 *           from Redis, then read the row, then write the copy if the ticket still holds (cache.ts).
 *           Redis failing or slow is not a missing copy: the check reads the row (loads.ts) and nobody is logged out.
 *   recall  the copy as this process read it last, and the key that must still hold that very text: the caller's next
 *           script looks at it first. In one step with that, an ended session is as dead as to a check.
 *   end     hold the copies, commit (ledger.ts), then bury them: a tombstone in every generation somebody may look
 *           in, asked after the commit. A generation that begins later is filled from rows read after the commit.
 *           Not buried: advance the fence. Neither: 503, durable and not confirmed.
 *   hold    between its commit and its tombstone a check must not see "ended" in one process and "live" in the next;
 *           so while it lasts all of them read the row. Best effort: the promise does not rest on it.
 *   used    updates rows that are live and extends copies that are there (touch.ts); nothing else does. A copy that
 *           is in use though its row is revoked (the ending process died before it could bury it, and nobody asked
 *           again) is buried.
 *
 * A copy lives until its session idles out as far as the row knows, or the last use that extended it: a session is
 * over `idleTimeoutMs` after its last use, however often it was checked meanwhile, by whom, and with which secret.
 */
import type { ReadThroughDesign, SessionsDesign } from '../design.ts';
import type { Clock, Database, Random, TransactionalDatabase } from '../ports.ts';
import { RedisUnavailable } from '../redis-link.ts';
import { sameHash } from '../secret-token.ts';
import type { Looked, SessionCache } from './cache.ts';
import type { Session, SessionObserver, SessionStore } from './contract.ts';
import type { Fence } from './fence.ts';
import { createLedger } from './ledger.ts';
import { createLedgerStore } from './ledger-store.ts';
import { createLoads } from './loads.ts';
import { hasEnded, hasIdled, idleTtlMs, publicSession, type StoredSession } from './policy.ts';
import { findSessions, type LedgerRow } from './session-rows.ts';
import { type PresentedToken, readToken } from './token.ts';
import { createTouches, type Touch } from './touch.ts';

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
    extend: (all) => extend(all),
    foundRevoked: async (ids) => void (await bury(ids)),
  });

  const accept = (stored: StoredSession, presented: PresentedToken): Session | null => {
    const isProven = sameHash(stored.secretHash, presented.secretHash);
    return isProven && !hasEnded(stored, nowMs()) ? publicSession(stored) : null;
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
      : { session: row, ttlMs: idleTtlMs(row, row.lastSeenAtMs, nowMs(), design) };
    // Without the copy the next check reads the row again; this one has its answer.
    await cache.populate(ticket, generation, copy).catch(ignoreRedis);
    return 'session' in copy ? accept(row, presented) : null;
  };

  /** PostgreSQL turned out to be down and the lease had just run out: the rule for that case still applies. */
  const lastResort = async (presented: PresentedToken, cause: unknown): Promise<Session | null> => {
    const generation = fence.inGrace();
    if (generation === null || !cache.usable()) throw cause;
    const looked = await cache.look(generation, presented.id).catch(() => {
      throw cause;
    });
    if (looked === 'absent') throw cause;
    return looked === 'ended' ? null : accept(looked, presented);
  };

  const extend = async (all: readonly Touch[]): Promise<void> => {
    const generation = fence.current();
    if (generation === null || !cache.usable()) return;
    const lives = all.map((one) => ({
      id: one.id,
      ttlMs: Math.floor(idleTtlMs(one, one.usedAtMs, nowMs(), design)),
    }));
    await cache.extend(generation, lives).catch(ignoreRedis);
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
        let looked: Looked;
        try {
          looked = await cache.look(generation, presented.id);
          observer.looked(looked !== 'absent');
          if (looked === 'absent') return await fill(generation, presented);
        } catch (error) {
          ignoreRedis(error);
          return fromRow(presented);
        }
        return looked === 'ended' ? null : accept(looked, presented);
      }
      if (generation !== null) return fromRow(presented);
      return fromRow(presented).catch((error) => lastResort(presented, error));
    },
    recall(token) {
      const presented = readToken(token, design.region);
      const generation = presented && fence.current();
      if (generation === null) return null;
      const remembered = cache.recall(generation, presented!.id);
      const session = remembered && accept(remembered.session, presented!);
      return session && { session, proof: remembered.proof };
    },
    confirmed: () => observer.looked(true),
    used: (session) => touches.used(session),
  };
}

/** Redis may fail; anything else may not be swallowed with it. */
function ignoreRedis(error: unknown): void {
  if (!(error instanceof RedisUnavailable)) throw error;
}
