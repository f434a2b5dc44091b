/**
 * What this process knows of keys, so that a request rarely asks PostgreSQL: a key as it was read at most `freshMs` ago,
 * counted from before the statement was sent. One key is read once for everybody who asks; those who ask while
 * statements are busy share the next one. While reading fails, what was read in the last `staleMs` goes on at once.
 *
 * That a key does not exist is remembered too, for less long, and apart, so that guesses drive nothing real out.
 */
import { ServiceError } from '../ports.ts';

const freshMs = 1_000;
/** What was made a moment ago elsewhere is not refused for long. */
const refusalFreshMs = 100;
const staleMs = 30_000;
const loadLimitMs = 1_000;
const maxKnown = 10_000;
const maxUnknown = 1_000;
const maxWaiting = 10_000;
const maxStatements = 2;
const maxPerStatement = 500;

export interface KnownKeys<Key> {
  /** Null when there is no such key that is valid. Rejects with 503 when that cannot be said. */
  find(keyId: string): Promise<Key | null>;
  /** The same, but read just now: before a secret is refused that may be newer than what is known. */
  reread(keyId: string): Promise<Key | null>;
  /** What is asked from now on is not answered from before. */
  forget(keyId: string): void;
}

interface Entry<Key> {
  readonly key: Key | null;
  readonly readAtMs: number;
}

interface Load<Key> {
  readonly keyId: string;
  /** When its statement was sent; until then nobody is too late for it. */
  sentAtMs: number;
  readonly done: Promise<Key | null>;
  settle(key: Key | null): void;
  fail(error: unknown): void;
}

export function createKnownKeys<Key>(given: {
  read: (keyIds: readonly string[]) => Promise<ReadonlyMap<string, Key>>;
  monotonicMs: () => number;
}): KnownKeys<Key> {
  const { read, monotonicMs } = given;
  const known = new Map<string, Entry<Key>>();
  const unknown = new Map<string, Entry<Key>>();
  /** Those that later askers may share. */
  const shared = new Map<string, Load<Key>>();
  const line: Load<Key>[] = [];
  let statements = 0;
  let scheduled = false;
  let failing = false;

  const remember = (keyId: string, entry: Entry<Key>) => {
    known.delete(keyId);
    unknown.delete(keyId);
    const [to, max] = entry.key === null ? [unknown, maxUnknown] : [known, maxKnown];
    to.set(keyId, entry);
    if (to.size > max) to.delete(to.keys().next().value!);
  };

  const start = () => {
    scheduled = false;
    while (line.length > 0 && statements < maxStatements) {
      const batch = line.splice(0, maxPerStatement);
      statements += 1;
      void perform(batch).finally(() => {
        statements -= 1;
        start();
      });
    }
  };

  const perform = async (batch: readonly Load<Key>[]) => {
    const readAtMs = monotonicMs();
    for (const load of batch) load.sentAtMs = readAtMs;
    let settled = batch;
    try {
      const keys = await limited(read(batch.map(({ keyId }) => keyId)));
      failing = false;
      for (const load of batch) {
        const key = keys.get(load.keyId) ?? null;
        // Not what was forgotten meanwhile.
        if (shared.get(load.keyId) === load) remember(load.keyId, { key, readAtMs });
        load.settle(key);
      }
    } catch (cause) {
      failing = true;
      // Those in line as well: nobody waits for more than two limits.
      settled = [...batch, ...line.splice(0)];
      for (const load of settled) load.fail(unavailable(cause));
    }
    for (const load of settled) if (shared.get(load.keyId) === load) shared.delete(load.keyId);
  };

  const load = (keyId: string, sharedForMs: number): Promise<Key | null> => {
    const running = shared.get(keyId);
    if (running && monotonicMs() - running.sentAtMs < sharedForMs) return running.done;
    if (line.length >= maxWaiting) return Promise.reject(unavailable(new Error('line is full')));
    const { promise, resolve, reject } = withResolvers<Key | null>();
    const next = { keyId, sentAtMs: Infinity, done: promise, settle: resolve, fail: reject };
    shared.set(keyId, next);
    line.push(next);
    if (!scheduled) setImmediate(start);
    scheduled = true;
    return promise;
  };

  return {
    async find(keyId) {
      const entry = known.get(keyId) ?? unknown.get(keyId);
      const ageMs = () => (entry ? monotonicMs() - entry.readAtMs : Infinity);
      const limitMs = entry?.key ? freshMs : refusalFreshMs;
      if (entry && ageMs() < limitMs) return entry.key;
      const loading = load(keyId, limitMs);
      if (entry?.key && failing && ageMs() < staleMs) {
        // Only to find out whether reading works again.
        loading.catch(() => {});
        return entry.key;
      }
      try {
        return await loading;
      } catch (error) {
        // Not what was forgotten meanwhile.
        if (entry?.key && known.get(keyId) === entry && ageMs() < staleMs) return entry.key;
        throw error;
      }
    },

    async reread(keyId) {
      const entry = known.get(keyId) ?? unknown.get(keyId);
      if (entry && monotonicMs() - entry.readAtMs < refusalFreshMs) return entry.key;
      return load(keyId, refusalFreshMs);
    },

    forget(keyId) {
      known.delete(keyId);
      unknown.delete(keyId);
      shared.delete(keyId);
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

async function limited<T>(work: Promise<T>): Promise<T> {
  const { promise, reject } = withResolvers<never>();
  const late = () => reject(new Error(`keys were not read in ${loadLimitMs} ms`));
  // An answer that came while this process was busy is not late.
  const timer = setTimeout(() => setImmediate(late), loadLimitMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
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
