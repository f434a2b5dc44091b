/** Creates the session store that a design names. */
import type { Redis } from 'ioredis';
import type { SessionsDesign } from '../design.ts';
import type { Clock, Database, Random, TransactionalDatabase } from '../ports.ts';
import { createRedisLink } from '../redis-link.ts';
import { createSessionCache } from './cache.ts';
import type { SessionObserver, SessionStore } from './contract.ts';
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
  readonly clock: Clock;
  readonly random: Random;
}

export function createSessionStore(
  given: SessionResources & { design: SessionsDesign; observer: SessionObserver },
): SessionStore {
  const { store } = given.design;
  switch (store.kind) {
    case 'row-per-request':
      return createRowPerRequestStore(given);
    case 'redis-ttl':
      return createRedisTtlStore({ ...given, store });
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
      const cache = createSessionCache({ ...given, link });
      return createReadThroughStore({ ...given, store, cache, fence });
    }
    default:
      return store satisfies never;
  }
}
