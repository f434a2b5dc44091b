/**
 * PostgreSQL is the source of truth, Redis answers the checks. Why no ended session is accepted:
 *
 *   check        MGET of the copy in the current generation (fence.ts). No copy: take a ticket from Redis, then read
 *                the row, then write the copy if the ticket still holds (cache.ts). If Redis fails or is slow, the
 *                check reads the row (session-row-batcher.ts): a session is never refused because of Redis.
 *   findCached   the copy as this process last read it, and the key that must still hold exactly that text. The
 *                caller's next Lua script compares the key first, so an ended session is refused in the same step.
 *   end          mark the copies pending, commit (session-repository.ts), then write a tombstone in every generation
 *                that some process may read, listed after the commit. A later generation is filled from rows read
 *                after the commit. If Redis cannot be written, advance the generation. If that fails too: 503, the
 *                end is durable and not confirmed.
 *   markPending  between commit and tombstone a session must not be live in one process and ended in the next, so
 *                meanwhile every check reads the row. Best effort: "a logout is final" does not depend on it.
 *   touch        updates live rows and extends existing copies (touch-batcher.ts); nothing else does. If the row of a
 *                touched session is revoked (the ending process died before its tombstone), the tombstone is written.
 *
 * A copy expires when its session idles out, counted from "last seen" in the row or from the last touch. A check
 * without a touch does not extend it.
 */
import type { ReadThroughDesign, SessionsDesign } from '../design.ts';
import {
  type Clock,
  type Database,
  type Random,
  type ThrottleRead,
  type TransactionalDatabase,
  unthrottled,
} from '../ports.ts';
import { RedisUnavailable } from '../redis-link.ts';
import { hashesEqual } from '../secret-token.ts';
import type { CacheReadResult, PopulateTicket, SessionCache } from './cache.ts';
import type { RevokeKeys, Session, SessionObserver, SessionStore } from './contract.ts';
import type { Fence } from './fence.ts';
import { hasEnded, hasIdled, idleTtlMs, type StoredSession, toPublicSession } from './policy.ts';
import { createSessionRepository } from './session-repository.ts';
import { createRepositoryStore } from './session-repository-store.ts';
import { createSessionRowBatcher } from './session-row-batcher.ts';
import { findSessions, type SessionRow } from './session-rows.ts';
import { type PresentedToken, readToken } from './token.ts';
import { createTouchBatcher, type Touch } from './touch-batcher.ts';

/** If more generations are in use, advancing is cheaper than writing tombstones in all of them. */
const MAX_GENERATIONS = 4;

interface ReadThroughOptions {
  db: TransactionalDatabase;
  /** Reads session rows; tests delay it. */
  reads?: Database;
  cache: SessionCache;
  fence: Fence;
  clock: Clock;
  random: Random;
  design: SessionsDesign;
  store: ReadThroughDesign;
  observer: SessionObserver;
  revokeKeys?: RevokeKeys;
}

export function createReadThroughStore(given: ReadThroughOptions): SessionStore {
  const { db, cache, fence, clock, design, store, observer } = given;
  const nowMs = () => Math.floor(clock.nowUs() / 1_000);
  const copies = createCopies({ cache, fence, design, nowMs });
  const touchBatcher = createTouchBatcher({
    db,
    clock,
    everyMs: store.touchEveryMs,
    onError: observer.onError,
    extendCopies: copies.extend,
    onRevokedFound: async (ids) => void (await copies.writeTombstones(ids)),
  });
  const { checkRow, checkRowAndPopulate, checkInGrace, acceptStale } = createRowChecks(
    given,
    nowMs,
  );

  return {
    ...createRepositoryStore({
      ...given,
      repository: createSessionRepository(given),
      markPending: copies.markPending,
      invalidateCopies: copies.invalidate,
    }),
    start: () => fence.start(),
    async close() {
      touchBatcher.close();
      await touchBatcher.flush();
      await fence.close();
      cache.close();
    },
    async check(token, throttle = unthrottled) {
      const presented = readToken(token, design.region);
      if (!presented) return null;
      const generation = fence.currentGeneration();
      if (generation !== null && cache.isUsable()) {
        let copy: CacheReadResult;
        try {
          copy = await cache.read(generation, presented.id);
          observer.onCacheRead(copy !== 'absent');
          if (copy === 'absent')
            return await checkRowAndPopulate(generation, presented, throttle).catch((error) =>
              acceptStale(generation, presented, error),
            );
        } catch (error) {
          ignoreRedis(error);
          return checkRow(presented, throttle);
        }
        return copy === 'ended' ? null : accept(copy, presented, nowMs);
      }
      if (generation !== null) return checkRow(presented, throttle);
      return checkRow(presented, throttle).catch((error) => checkInGrace(presented, error));
    },
    findCached(token) {
      const presented = readToken(token, design.region);
      const generation = presented && fence.currentGeneration();
      if (generation === null) return null;
      const cached = cache.findCached(generation, presented!.id);
      const session = cached && accept(cached.session, presented!, nowMs);
      return session && { session, proof: cached.proof };
    },
    countCacheHit: () => observer.onCacheRead(true),
    touch: (session) => touchBatcher.touch(session),
  };
}

function accept(
  stored: StoredSession,
  presented: PresentedToken,
  nowMs: () => number,
): Session | null {
  const isProven = hashesEqual(stored.secretHash, presented.secretHash);
  return isProven && !hasEnded(stored, nowMs()) ? toPublicSession(stored) : null;
}

/** For a throttle: an id whose secret is wrong is a guess like one that was never issued. */
const ifProven = (row: SessionRow | null, { secretHash }: PresentedToken): SessionRow | null =>
  row && hashesEqual(row.secretHash, secretHash) ? row : null;

/** The checks of a session without a copy that can be used. */
function createRowChecks(given: ReadThroughOptions, nowMs: () => number) {
  const { cache, fence, design, store, observer } = given;
  const reads = given.reads ?? given.db;
  const rowBatcher = createSessionRowBatcher<SessionRow>({
    find: (ids) => findSessions(reads, ids),
    maxConcurrent: store.maxConcurrentReads,
    maxWaiting: store.maxWaitingReads,
  });

  const isRowEnded = (row: SessionRow) =>
    row.revoked || hasEnded(row, nowMs()) || hasIdled(row.lastSeenAtMs, nowMs(), design);

  const checkRow = async (
    presented: PresentedToken,
    throttle: ThrottleRead,
  ): Promise<Session | null> => {
    observer.onDatabaseFallback();
    const row = await throttle(async () =>
      ifProven(await rowBatcher.read(presented.id), presented),
    );
    return row && !isRowEnded(row) ? accept(row, presented, nowMs) : null;
  };

  const checkRowAndPopulate = async (
    generation: number,
    presented: PresentedToken,
    throttle: ThrottleRead,
  ): Promise<Session | null> => {
    let read: { readonly ticket: PopulateTicket; readonly row: SessionRow } | null = null;
    await throttle(async () => {
      const ticket = await cache.beginPopulate();
      const row = await rowBatcher.read(presented.id);
      read = row && { ticket, row };
      return ifProven(row, presented);
    });
    if (read === null) return null;
    // Also of a session that was not proven: the next attempt need not read the row again.
    const { ticket, row } = read as { readonly ticket: PopulateTicket; readonly row: SessionRow };
    const copy = isRowEnded(row)
      ? { endedId: row.id }
      : { session: row, ttlMs: idleTtlMs(row, row.lastSeenAtMs, nowMs(), design) };
    // If this fails, only the next check has to read the row again.
    await cache.populate(ticket, generation, copy).catch(ignoreRedis);
    return 'session' in copy ? accept(row, presented, nowMs) : null;
  };

  /** PostgreSQL failed just after the generation's TTL ran out: within the grace, Redis may still be used. */
  const checkInGrace = async (
    presented: PresentedToken,
    cause: unknown,
  ): Promise<Session | null> => {
    const generation = fence.graceGeneration();
    if (generation === null || !cache.isUsable()) throw cause;
    const copy = await cache.read(generation, presented.id).catch(() => {
      throw cause;
    });
    if (copy === 'absent') return acceptStale(generation, presented, cause);
    return copy === 'ended' ? null : accept(copy, presented, nowMs);
  };

  /** Within the grace, a copy that is too old is used as long as its row cannot be read. */
  const acceptStale = (
    generation: number,
    presented: PresentedToken,
    cause: unknown,
  ): Session | null => {
    const isGrace = fence.graceGeneration() === generation && !(cause instanceof RedisUnavailable);
    const stale = isGrace ? cache.findStale(generation, presented.id) : null;
    if (stale === null) throw cause;
    return accept(stale, presented, nowMs);
  };

  return { checkRow, checkRowAndPopulate, checkInGrace, acceptStale };
}

/** Changes the copies in Redis. If Redis fails, `invalidate` advances the generation instead; the others do nothing. */
function createCopies({
  cache,
  fence,
  design,
  nowMs,
}: {
  cache: SessionCache;
  fence: Fence;
  design: SessionsDesign;
  nowMs: () => number;
}) {
  const extend = async (touches: readonly Touch[]): Promise<void> => {
    const generation = fence.currentGeneration();
    if (generation === null || !cache.isUsable()) return;
    const copies = touches.map((one) => ({
      id: one.id,
      ttlMs: Math.floor(idleTtlMs(one, one.usedAtUs / 1_000, nowMs(), design)),
    }));
    await cache.extendTtls(generation, copies).catch(ignoreRedis);
  };

  /** False when the tombstones could not be written in every generation in use. */
  const writeTombstones = async (ids: readonly string[]): Promise<boolean> => {
    const inUse = await fence.generationsInUse();
    if (inUse.to - inUse.from >= MAX_GENERATIONS || !cache.isUsable()) return false;
    try {
      await cache.writeTombstones(inUse, ids);
      return true;
    } catch (error) {
      ignoreRedis(error);
      return false;
    }
  };

  const invalidate = async (ids: readonly string[]): Promise<void> => {
    if (ids.length > 0 && !(await writeTombstones(ids))) await fence.advanceGeneration();
  };

  const markPending = async (ids: readonly string[]): Promise<void> => {
    const generation = fence.currentGeneration();
    if (generation === null || ids.length === 0 || !cache.isUsable()) return;
    await cache.markPending(generation, ids).catch(ignoreRedis);
  };

  return { extend, writeTombstones, invalidate, markPending };
}

/** Swallows failures of Redis only. */
function ignoreRedis(error: unknown): void {
  if (!(error instanceof RedisUnavailable)) throw error;
}
