/**
 * Encryption keys of personal fields: one per user, created with the first event, stored encrypted under the platform's
 * wrapping key, cached here for a minute. Erasing a key makes everything sealed under it unreadable in every copy of the
 * log; the log itself does not change. Later events are recorded without personal fields; a process that still has the
 * key cached may seal with it for up to a minute, and those fields cannot be opened either.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, type Database, isoFromUs } from '../ports.ts';
import type { PersonalFields } from './contract.ts';
import { decrypt, encrypt, sealPersonal } from './seal.ts';

/** Of one user. */
export interface SubjectKey {
  /** Null when there are no personal fields, or when the key was erased. */
  seal(personal: PersonalFields): Buffer | null;
}

export interface SubjectKeys {
  /** One statement for all that are not cached; creates those that do not exist. */
  getKeys(userIds: readonly string[]): Promise<Map<string, SubjectKey>>;
  /** May create the key in the caller's transaction; a created key is not cached, because it may be rolled back. */
  getKeyInTransaction(tx: Database, userId: string): Promise<SubjectKey>;
  /** For decryption; never from the cache. Null: erased, or never created. */
  readKey(userId: string): Promise<Buffer | null>;
  readKeys(userIds: readonly string[]): Promise<Map<string, Buffer>>;
  /** In the caller's transaction. Idempotent. */
  erase(tx: Database, userId: string): Promise<void>;
}

interface CachedKey extends SubjectKey {
  readonly wrapped: Buffer | null;
  untilUs: number;
}

interface Row {
  readonly userId: string;
  readonly wrapped: Buffer | null;
  readonly created: boolean;
}

const CACHE_TTL_US = 60_000_000;
const MAX_CACHED_KEYS = 20_000;
const MAX_ATTEMPTS = 5;
const KEY_BYTES = 32;

export function createSubjectKeys(given: {
  db: Database;
  /** 32 bytes, kept outside the database. */
  wrappingKey: Buffer;
  clock: Clock;
}): SubjectKeys {
  const { db, wrappingKey, clock } = given;
  const cache = createKeyCache();

  const toCachedKey = ({ userId, wrapped }: Row, untilUs: number): CachedKey => {
    const cached = cache.get(userId);
    if (cached && sameBytes(cached.wrapped, wrapped)) {
      cached.untilUs = untilUs;
      return cached;
    }
    const seal =
      wrapped === null ? () => null : createSealer(userId, unwrapKey(wrappingKey, userId, wrapped));
    return { wrapped, untilUs, seal };
  };

  const findOrCreateKeys = (connection: Database, userIds: readonly string[]) =>
    findOrCreateRows(connection, userIds, { cache, wrappingKey, clock });

  const readKeys = async (userIds: readonly string[]) => {
    const rows = await readWrappedKeys(db, userIds);
    return new Map(
      rows.map(({ userId, wrapped }) => [userId, unwrapKey(wrappingKey, userId, wrapped)]),
    );
  };

  return {
    async getKeys(userIds) {
      const nowUs = clock.nowUs();
      const keys = new Map<string, SubjectKey>();
      const unknown: string[] = [];
      for (const userId of new Set(userIds)) {
        const cached = cache.get(userId);
        if (cached && nowUs < cached.untilUs) keys.set(userId, cached);
        else unknown.push(userId);
      }
      if (unknown.length === 0) return keys;
      for (const row of await findOrCreateKeys(db, unknown)) {
        const key = toCachedKey(row, nowUs + CACHE_TTL_US);
        cache.set(row.userId, key);
        keys.set(row.userId, key);
      }
      return keys;
    },

    async getKeyInTransaction(tx, userId) {
      const nowUs = clock.nowUs();
      const cached = cache.get(userId);
      if (cached && nowUs < cached.untilUs) return cached;
      const [row] = await findOrCreateKeys(tx, [userId]);
      const key = toCachedKey(row!, nowUs + CACHE_TTL_US);
      if (!row!.created && row!.wrapped !== null) cache.set(userId, key);
      return key;
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
    text: `INSERT INTO audit_subject_keys AS k (user_id, wrapped, created_at, erased_at) VALUES ($1, NULL, $2, $2)
           ON CONFLICT (user_id) DO UPDATE
              SET wrapped = NULL, erased_at = coalesce(k.erased_at, excluded.erased_at)`,
    values: [userId, erasedAt],
  });
}

/** Keeps the `maxCachedKeys` entries that were set last. */
function createKeyCache() {
  const keys = new Map<string, CachedKey>();
  return {
    get: (userId: string) => keys.get(userId),
    set(userId: string, key: CachedKey): void {
      // Deleted first, so that the order of insertion is the order of the last `set`.
      keys.delete(userId);
      keys.set(userId, key);
      if (keys.size <= MAX_CACHED_KEYS) return;
      const oldest = keys.keys().next();
      if (!oldest.done) keys.delete(oldest.value);
    },
    delete: (userId: string) => keys.delete(userId),
  };
}

/** The insert waits for a concurrent transaction that creates the same key; the next attempt reads its row. */
async function findOrCreateRows(
  connection: Database,
  userIds: readonly string[],
  given: { cache: ReturnType<typeof createKeyCache>; wrappingKey: Buffer; clock: Clock },
): Promise<Row[]> {
  // A cached key is proposed again, which saves generating one.
  const proposeKey = (userId: string) =>
    given.cache.get(userId)?.wrapped ?? encrypt(given.wrappingKey, userId, randomBytes(KEY_BYTES));
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
  return found;
}

// Ordered by user, so that concurrent statements cannot deadlock.
const findOrCreate = {
  name: 'subject-keys-find-or-create',
  text: `WITH wanted AS (SELECT * FROM unnest($1::bigint[], $2::bytea[]) AS w(user_id, proposed)),
              inserted AS (
                INSERT INTO audit_subject_keys (user_id, wrapped, created_at)
                SELECT user_id, proposed, $3 FROM wanted ORDER BY user_id
                ON CONFLICT (user_id) DO NOTHING RETURNING user_id, wrapped)
         SELECT user_id AS "userId", wrapped, true AS created FROM inserted
         UNION ALL SELECT k.user_id, k.wrapped, false FROM audit_subject_keys AS k JOIN wanted USING (user_id)`,
};

/** Reuses the last sealed value: consecutive events of a user usually have the same address and device. */
function createSealer(userId: string, key: Buffer): SubjectKey['seal'] {
  let last: (PersonalFields & { sealed: Buffer }) | null = null;
  return ({ ip, userAgent }) => {
    if (ip === null && userAgent === null) return null;
    if (last?.ip === ip && last.userAgent === userAgent) return last.sealed;
    last = { ip, userAgent, sealed: sealPersonal(key, userId, { ip, userAgent }) };
    return last.sealed;
  };
}

const sameBytes = (a: Buffer | null, b: Buffer | null) =>
  a === null || b === null ? a === b : a.equals(b);
