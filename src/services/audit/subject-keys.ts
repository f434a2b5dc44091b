/**
 * Encryption keys of personal fields: one per user, created with the first event, stored encrypted under the platform's
 * wrapping key, cached here for a minute. Erasing a key makes everything sealed under it unreadable in every copy of the
 * log; the log itself does not change. The next event about the user creates the key of the next epoch, so the log is
 * never without address and device of what happens after an erasure.
 *
 * Erasures are counted in the database. Keys are used together with the count they were read at, and an insert writes
 * nothing under another count (writers/insert.ts): no event that is inserted after an erasure is sealed under the erased key,
 * whatever a process has cached. An event from before an erasure that is written after it (a process was down with its
 * local log) belongs to the erased epoch: it is sealed under a key that is discarded.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, type Database, isoFromUs } from '../ports.ts';
import type { PersonalFields } from './contract.ts';
import { decrypt, encrypt, sealPersonal } from './seal.ts';

/** Of one user. */
export interface SubjectKey {
  /** Null when there are no personal fields. `occurredAt` decides the epoch. */
  seal(personal: PersonalFields, occurredAt: string): Buffer | null;
}

/** Valid while the database counts this many erasures. */
export interface KeySet {
  readonly erasures: number;
  readonly keys: ReadonlyMap<string, SubjectKey>;
}

export interface SubjectKeys {
  /** One statement for all that are not cached; creates those that do not exist. */
  getKeys(userIds: readonly string[]): Promise<KeySet>;
  /** May create the key in the caller's transaction; a created key is not cached, because it may be rolled back. */
  getKeyInTransaction(tx: Database, userId: string): Promise<KeySet>;
  /** A key of the cache was erased meanwhile: every key is read again. */
  forgetKeys(): void;
  /** For decryption, of the present epoch; never from the cache. Null: erased and no event since, or never created. */
  readKey(userId: string): Promise<Buffer | null>;
  readKeys(userIds: readonly string[]): Promise<Map<string, Buffer>>;
  /** In the caller's transaction. Idempotent: without a later event there is nothing to erase, and nothing changes. */
  erase(tx: Database, userId: string): Promise<void>;
}

interface CachedKey extends SubjectKey {
  readonly wrapped: Buffer;
  untilUs: number;
}

interface Row {
  readonly userId: string;
  readonly wrapped: Buffer;
  /** Of the last erasure, in Unix microseconds; null: never. */
  readonly erasedAtUs: string | null;
  readonly created: boolean;
  readonly erasures: string;
}

const CACHE_TTL_US = 60_000_000;
const MAX_CACHED_KEYS = 20_000;
const MAX_ATTEMPTS = 5;
const KEY_BYTES = 32;
/** A request that arrived this long before an erasure may still be in flight (requestTimeout of the gateway). */
const IN_FLIGHT_US = 30_000_000;

export function createSubjectKeys(given: {
  db: Database;
  /** 32 bytes, kept outside the database. */
  wrappingKey: Buffer;
  clock: Clock;
}): SubjectKeys {
  const { db, wrappingKey, clock } = given;
  const cache = createKeyCache();

  const toCachedKey = ({ userId, wrapped, erasedAtUs }: Row, untilUs: number): CachedKey => {
    const cached = cache.get(userId);
    if (cached?.wrapped.equals(wrapped)) {
      cached.untilUs = untilUs;
      return cached;
    }
    const key = unwrapKey(wrappingKey, userId, wrapped);
    const epochStartUs = erasedAtUs === null ? null : Number(erasedAtUs) - IN_FLIGHT_US;
    return { wrapped, untilUs, seal: createSealer(userId, key, epochStartUs) };
  };

  const findOrCreateKeys = (connection: Database, userIds: readonly string[]) =>
    findOrCreateRows(connection, userIds, { wrappingKey, clock });

  const readKeys = async (userIds: readonly string[]) => {
    const rows = await readWrappedKeys(db, userIds);
    return new Map(
      rows.map(({ userId, wrapped }) => [userId, unwrapKey(wrappingKey, userId, wrapped)]),
    );
  };

  const getKeys = async (userIds: readonly string[]): Promise<KeySet> => {
    const nowUs = clock.nowUs();
    const keys = new Map<string, SubjectKey>();
    const unknown: string[] = [];
    for (const userId of new Set(userIds)) {
      const cached = cache.get(userId);
      if (cached && nowUs < cached.untilUs) keys.set(userId, cached);
      else unknown.push(userId);
    }
    const erasures = cache.erasures();
    if (unknown.length === 0) return { erasures, keys };
    const found = await findOrCreateKeys(db, unknown);
    cache.adopt(found.erasures);
    for (const row of found.rows) {
      const key = toCachedKey(row, nowUs + CACHE_TTL_US);
      if (cache.erasures() === found.erasures) cache.set(row.userId, key);
      keys.set(row.userId, key);
    }
    // The cached ones may be the erased ones.
    if (keys.size > found.rows.length && found.erasures !== erasures) return getKeys(userIds);
    return { erasures: found.erasures, keys };
  };

  return {
    getKeys,
    forgetKeys: () => cache.clear(),

    async getKeyInTransaction(tx, userId) {
      const nowUs = clock.nowUs();
      const cached = cache.get(userId);
      if (cached && nowUs < cached.untilUs)
        return { erasures: cache.erasures(), keys: new Map([[userId, cached]]) };
      const { erasures, rows } = await findOrCreateKeys(tx, [userId]);
      const key = toCachedKey(rows[0]!, nowUs + CACHE_TTL_US);
      // Not at a count that the transaction itself may have raised.
      if (!rows[0]!.created && cache.erasures() === erasures) cache.set(userId, key);
      return { erasures, keys: new Map([[userId, key]]) };
    },

    readKey: async (userId) => (await readKeys([userId])).get(userId) ?? null,
    readKeys,

    async erase(tx, userId) {
      cache.delete(userId);
      await eraseKey(tx, userId, isoFromUs(clock.nowUs()));
    },
  };
}

function unwrapKey(wrappingKey: Buffer, userId: string, wrapped: Buffer): Buffer {
  const key = decrypt(wrappingKey, userId, wrapped);
  if (key) return key;
  throw new Error(`the key of user ${userId} was encrypted under another wrapping key`);
}

async function readWrappedKeys(db: Database, userIds: readonly string[]) {
  return await db.query<{ userId: string; wrapped: Buffer }>({
    name: 'subject-keys-open',
    text: `SELECT user_id AS "userId", wrapped FROM audit_subject_keys
            WHERE user_id = ANY($1::bigint[]) AND wrapped IS NOT NULL`,
    values: [userIds],
  });
}

async function eraseKey(tx: Database, userId: string, erasedAt: string): Promise<void> {
  await tx.query({
    text: `WITH erased AS (
             INSERT INTO audit_subject_keys AS k (user_id, wrapped, created_at, erased_at, epoch)
             VALUES ($1, NULL, $2, $2, 2)
             ON CONFLICT (user_id) DO UPDATE
                SET wrapped = NULL, epoch = k.epoch + 1, erased_at = excluded.erased_at WHERE k.wrapped IS NOT NULL
             RETURNING 1)
           UPDATE audit_erasures SET number = number + 1 WHERE EXISTS (SELECT FROM erased)`,
    values: [userId, erasedAt],
  });
}

/** Keeps the `maxCachedKeys` entries that were set last, all read at one count of erasures. */
function createKeyCache() {
  const keys = new Map<string, CachedKey>();
  let erasures = -1;
  return {
    get: (userId: string) => keys.get(userId),
    erasures: () => erasures,
    /** A later count: what was read before may be erased. An earlier one comes from a slower read, and is not adopted. */
    adopt(count: number): void {
      if (count <= erasures) return;
      keys.clear();
      erasures = count;
    },
    set(userId: string, key: CachedKey): void {
      // Deleted first, so that the order of insertion is the order of the last `set`.
      keys.delete(userId);
      keys.set(userId, key);
      if (keys.size <= MAX_CACHED_KEYS) return;
      const oldest = keys.keys().next();
      if (!oldest.done) keys.delete(oldest.value);
    },
    delete: (userId: string) => keys.delete(userId),
    clear: () => keys.clear(),
  };
}

/** The insert waits for a concurrent transaction that creates or erases the same key; the next attempt reads its row. */
async function findOrCreateRows(
  connection: Database,
  userIds: readonly string[],
  given: { wrappingKey: Buffer; clock: Clock },
): Promise<{ erasures: number; rows: readonly Row[] }> {
  const proposeKey = (userId: string) => encrypt(given.wrappingKey, userId, randomBytes(KEY_BYTES));
  const found: Row[] = [];
  let missing = [...userIds];
  for (let attempt = 0; missing.length > 0; attempt += 1) {
    if (attempt === MAX_ATTEMPTS)
      throw new Error(`keys of ${missing.length} users cannot be created`);
    const values = [missing, missing.map(proposeKey), isoFromUs(given.clock.nowUs())];
    const rows = await connection.query<Row>({ ...findOrCreate, values });
    found.push(...rows);
    const foundIds = new Set(rows.map(({ userId }) => userId));
    missing = missing.filter((userId) => !foundIds.has(userId));
  }
  // The earliest: a key that was read at it may have been erased by the next.
  const erasures = Math.min(...found.map((row) => Number(row.erasures)));
  return { erasures, rows: found };
}

// Ordered by user, so that concurrent statements cannot deadlock. A key that is there is not locked.
const findOrCreate = {
  name: 'subject-keys-find-or-create',
  text: `WITH wanted AS (SELECT * FROM unnest($1::bigint[], $2::bytea[]) AS w(user_id, proposed)),
              present AS (SELECT k.* FROM audit_subject_keys AS k JOIN wanted USING (user_id) WHERE k.wrapped IS NOT NULL),
              inserted AS (
                INSERT INTO audit_subject_keys AS k (user_id, wrapped, created_at)
                SELECT user_id, proposed, $3 FROM wanted WHERE user_id NOT IN (SELECT user_id FROM present)
                 ORDER BY user_id
                ON CONFLICT (user_id) DO UPDATE SET wrapped = excluded.wrapped, created_at = excluded.created_at
                   WHERE k.wrapped IS NULL
                RETURNING user_id, wrapped, erased_at)
         SELECT user_id AS "userId", wrapped, created, (extract(epoch FROM erased_at) * 1000000)::bigint AS "erasedAtUs",
                (SELECT number FROM audit_erasures) AS erasures
           FROM (SELECT user_id, wrapped, erased_at, true AS created FROM inserted
                 UNION ALL SELECT user_id, wrapped, erased_at, false FROM present) AS found`,
};

/** Reuses the last sealed value: consecutive events of a user usually have the same address and device. */
function createSealer(
  userId: string,
  key: Buffer,
  epochStartUs: number | null,
): SubjectKey['seal'] {
  let last: (PersonalFields & { sealed: Buffer }) | null = null;
  return ({ ip, userAgent }, occurredAt) => {
    if (ip === null && userAgent === null) return null;
    if (epochStartUs !== null && Date.parse(occurredAt) * 1_000 < epochStartUs)
      return sealPersonal(randomBytes(KEY_BYTES), userId, { ip, userAgent });
    if (last?.ip === ip && last.userAgent === userAgent) return last.sealed;
    last = { ip, userAgent, sealed: sealPersonal(key, userId, { ip, userAgent }) };
    return last.sealed;
  };
}
