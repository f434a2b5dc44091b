/** Creates the session store that a design names. */
import type { Redis } from 'ioredis';
import type { SessionsDesign } from '../design.ts';
import type { Clock, Database, Random, TransactionalDatabase } from '../ports.ts';
import { createRedisLink } from '../redis-link.ts';
import { createSessionCache } from './cache.ts';
import type { RevokeKeys, SessionObserver, SessionStore } from './contract.ts';
import { createCopyCodec } from './copy-codec.ts';
import { createFence } from './fence.ts';
import { createReadThroughStore } from './read-through-store.ts';
import { createRedisTtlStore } from './redis-ttl/store.ts';
import { createRowPerRequestStore } from './row-per-request-store.ts';

export interface SessionResources {
  /** Unique among the processes of the service. */
  readonly name: string;
  readonly db: TransactionalDatabase;
  /** A separate pool: the fence must not wait behind requests. */
  readonly fenceDb: Database;
  readonly redis: Redis;
  /** Has no offline queue: commands fail at once when Redis is not connected. */
  readonly sessionRedis: Redis;
  readonly keyPrefix: string;
  /** 32 bytes, the same in all processes of the service, and unknown to Redis. */
  readonly sessionKey: Buffer;
  readonly clock: Clock;
  readonly random: Random;
  readonly revokeKeys?: RevokeKeys;
}

export function createSessionStore(
  given: SessionResources & { design: SessionsDesign; observer: SessionObserver },
): SessionStore {
  const { store } = given.design;
  const nowMs = () => Math.floor(given.clock.nowUs() / 1_000);
  const codec = createCopyCodec({ key: given.sessionKey, nowMs });
  switch (store.kind) {
    case 'row-per-request':
      return createRowPerRequestStore(given);
    case 'redis-ttl':
      return createRedisTtlStore({ ...given, store, codec });
    case 'read-through': {
      const link = createRedisLink({
        redis: given.sessionRedis,
        breakerOpenMs: store.breakerOpenMs,
        onBreaker: given.observer.onBreaker,
      });
      const fence = createFence({
        ...store,
        name: given.name,
        db: given.fenceDb,
        random: given.random,
        monotonicMs: () => performance.now(),
        onFence: given.observer.onFence,
        onError: given.observer.onError,
      });
      const cache = createSessionCache({
        ...given,
        link,
        codec,
        nowMs,
        onForgedCopy: reportForgedCopies(given.observer, nowMs),
      });
      return createReadThroughStore({ ...given, store, cache, fence });
    }
    default:
      return store satisfies never;
  }
}

const REPORT_EVERY_MS = 60_000;

/** Each forged copy is counted; the operator's log gets a line at most once a minute. */
function reportForgedCopies(
  observer: Pick<SessionObserver, 'onForgedCopy' | 'onError'>,
  nowMs: () => number,
): () => void {
  let count = 0;
  let nextReportMs = 0;
  return () => {
    count += 1;
    observer.onForgedCopy();
    if (nowMs() < nextReportMs) return;
    nextReportMs = nowMs() + REPORT_EVERY_MS;
    observer.onError(
      new Error(`Redis holds copies of sessions that this service did not write: ${count} refused`),
    );
  };
}
