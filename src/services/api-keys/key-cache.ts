/**
 * Cache of API keys, so that a request rarely reads PostgreSQL. An entry is used for `ttlMs`, counted from before its
 * statement was sent. Concurrent requests for a key share one read, and while all reads are busy the waiting keys are
 * read in one statement. While reads fail, entries up to `staleIfErrorMs` old are used without waiting.
 *
 * That a key does not exist is cached too, for a shorter time and in a map of its own, so that guesses evict no real key.
 */
import { ServiceError, type ThrottleRead, unthrottled } from '../ports.ts';
import { withTimeout } from '../with-timeout.ts';

const TTL_MS = 1_000;
/** Short, because another process may just have created the key. */
const NEGATIVE_TTL_MS = 100;
const STALE_IF_ERROR_MS = 30_000;
const READ_TIMEOUT_MS = 1_000;
const MAX_CACHED = 10_000;
const MAX_CACHED_ABSENT = 1_000;
const MAX_QUEUED = 10_000;
const MAX_CONCURRENT_READS = 2;
const MAX_BATCH_SIZE = 500;

export interface KeyCache<Key> {
  /**
   * Null when there is no valid key with this id. Rejects with 503 when PostgreSQL cannot be read. The read of an id that
   * no key is known of goes through `throttle`.
   */
  find(keyId: string, throttle?: ThrottleRead): Promise<Key | null>;
  /** As `find`, with an entry at most 0.1 s old: before a secret is refused that may be newer than the entry. */
  refresh(keyId: string): Promise<Key | null>;
  /** Later calls see only rows that are read after this one. */
  invalidate(keyId: string): void;
}

type ReadKeys<Key> = (keyIds: readonly string[]) => Promise<ReadonlyMap<string, Key>>;

interface Entry<Key> {
  readonly key: Key | null;
  readonly readAtMs: number;
}

interface PendingRead<Key> {
  readonly keyId: string;
  /** When its statement was sent; infinite until then, so that every caller may join. */
  sentAtMs: number;
  readonly promise: Promise<Key | null>;
  resolve(key: Key | null): void;
  reject(error: unknown): void;
}

export function createKeyCache<Key>(given: {
  read: ReadKeys<Key>;
  monotonicMs: () => number;
}): KeyCache<Key> {
  const { read, monotonicMs } = given;
  const entries = createEntries<Key>();
  const reads = createSharedReads({ read, monotonicMs, onRead: entries.add });

  return {
    async find(keyId, throttle = unthrottled) {
      const entry = entries.find(keyId);
      const ageMs = () => (entry ? monotonicMs() - entry.readAtMs : Infinity);
      const maxAgeMs = entry?.key ? TTL_MS : NEGATIVE_TTL_MS;
      if (entry && ageMs() < maxAgeMs) return entry.key;
      // A key that exists is read again by itself; only unknown ones are guesses.
      const reading = entry?.key
        ? reads.join(keyId, maxAgeMs)
        : throttle(() => reads.join(keyId, maxAgeMs));
      if (entry?.key && reads.isFailing() && ageMs() < STALE_IF_ERROR_MS) {
        // The read only finds out whether reads work again.
        reading.catch(() => {});
        return entry.key;
      }
      try {
        return await reading;
      } catch (error) {
        // Not if it was invalidated meanwhile.
        if (entry?.key && entries.find(keyId) === entry && ageMs() < STALE_IF_ERROR_MS)
          return entry.key;
        throw error;
      }
    },

    async refresh(keyId) {
      const entry = entries.find(keyId);
      if (entry && monotonicMs() - entry.readAtMs < NEGATIVE_TTL_MS) return entry.key;
      return reads.join(keyId, NEGATIVE_TTL_MS);
    },

    invalidate(keyId) {
      entries.remove(keyId);
      reads.detach(keyId);
    },
  };
}

/** What was read last, in two maps of limited size: keys that exist, and ids without a key. */
function createEntries<Key>() {
  const cached = new Map<string, Entry<Key>>();
  const cachedAbsent = new Map<string, Entry<Key>>();

  const remove = (keyId: string): void => {
    cached.delete(keyId);
    cachedAbsent.delete(keyId);
  };

  return {
    find: (keyId: string): Entry<Key> | undefined => cached.get(keyId) ?? cachedAbsent.get(keyId),

    add(keyId: string, entry: Entry<Key>): void {
      remove(keyId);
      const [map, maxSize] =
        entry.key === null ? [cachedAbsent, MAX_CACHED_ABSENT] : [cached, MAX_CACHED];
      map.set(keyId, entry);
      if (map.size > maxSize) map.delete(map.keys().next().value!);
    },

    remove,
  };
}

/** Reads that concurrent callers share. `onRead` gets what was read, except of keys that were detached meanwhile. */
function createSharedReads<Key>(given: {
  read: ReadKeys<Key>;
  monotonicMs: () => number;
  onRead: (keyId: string, entry: Entry<Key>) => void;
}) {
  const { read, monotonicMs, onRead } = given;
  /** Reads that later callers may share. */
  const joinable = new Map<string, PendingRead<Key>>();
  const queue: PendingRead<Key>[] = [];
  let runningReads = 0;
  let isScheduled = false;
  let isFailing = false;

  const startReads = () => {
    isScheduled = false;
    while (queue.length > 0 && runningReads < MAX_CONCURRENT_READS) {
      const batch = queue.splice(0, MAX_BATCH_SIZE);
      runningReads += 1;
      void readBatch(batch).finally(() => {
        runningReads -= 1;
        startReads();
      });
    }
  };

  const readBatch = async (batch: readonly PendingRead<Key>[]) => {
    const readAtMs = monotonicMs();
    for (const pending of batch) pending.sentAtMs = readAtMs;
    let settled = batch;
    try {
      const keys = await withTimeout(
        read(batch.map(({ keyId }) => keyId)),
        READ_TIMEOUT_MS,
        `keys were not read in ${READ_TIMEOUT_MS} ms`,
      );
      isFailing = false;
      for (const pending of batch) {
        const key = keys.get(pending.keyId) ?? null;
        if (joinable.get(pending.keyId) === pending) onRead(pending.keyId, { key, readAtMs });
        pending.resolve(key);
      }
    } catch (cause) {
      isFailing = true;
      // The queue fails as well, so that no caller waits for more than two timeouts.
      settled = [...batch, ...queue.splice(0)];
      for (const pending of settled) pending.reject(unavailable(cause));
    }
    for (const pending of settled)
      if (joinable.get(pending.keyId) === pending) joinable.delete(pending.keyId);
  };

  return {
    isFailing: () => isFailing,

    join(keyId: string, maxAgeMs: number): Promise<Key | null> {
      const pending = joinable.get(keyId);
      if (pending && monotonicMs() - pending.sentAtMs < maxAgeMs) return pending.promise;
      if (queue.length >= MAX_QUEUED)
        return Promise.reject(unavailable(new Error('queue is full')));
      const { promise, resolve, reject } = withResolvers<Key | null>();
      const added = { keyId, sentAtMs: Infinity, promise, resolve, reject };
      joinable.set(keyId, added);
      queue.push(added);
      if (!isScheduled) setImmediate(startReads);
      isScheduled = true;
      return promise;
    },

    /** The read in progress still answers its callers; later callers do not join it. */
    detach(keyId: string): void {
      joinable.delete(keyId);
    },
  };
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((settle, fail) => {
    resolve = settle;
    reject = fail;
  });
  return { promise, resolve, reject };
}

const unavailable = (cause: unknown): ServiceError =>
  new ServiceError(
    {
      status: 503,
      code: 'keys-unavailable',
      detail: 'API keys cannot be checked at the moment. Try again shortly.',
      headers: { 'retry-after': '1' },
    },
    { cause },
  );
