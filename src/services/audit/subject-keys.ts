/**
 * The keys that open personal fields: one per user, made with the first event, stored under the platform's wrapping
 * key, remembered here for a minute. Erasing a key is the end of everything sealed under it, in every copy of the log;
 * the log itself does not change. What happens after it is recorded without personal fields; a process that still
 * remembers the key may seal with it for up to a minute, which nobody can open either.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, type Database, isoFromUs } from '../ports.ts';
import type { PersonalFields } from './contract.ts';
import { decrypt, encrypt, sealPersonal } from './seal.ts';

/** Of one user, as this process knows it. */
export interface SubjectKey {
  /** Null when there is nothing to seal, or nothing to seal it with. */
  seal(personal: PersonalFields): Buffer | null;
}

export interface SubjectKeys {
  /** One statement for those not known, however many. */
  keysOf(userIds: readonly string[]): Promise<Map<string, SubjectKey>>;
  /** In a transaction that may have to make the key: nothing is remembered that may be rolled back. */
  keyIn(tx: Database, userId: string): Promise<SubjectKey>;
  /** To read with; always asked of the database. Null: erased, or there never was one. */
  open(userId: string): Promise<Buffer | null>;
  openAll(userIds: readonly string[]): Promise<Map<string, Buffer>>;
  /** In the caller's transaction. Idempotent. */
  erase(tx: Database, userId: string): Promise<void>;
}

interface Known extends SubjectKey {
  readonly wrapped: Buffer | null;
  untilUs: number;
}

interface Row {
  readonly userId: string;
  readonly wrapped: Buffer | null;
  readonly made: boolean;
}

const rememberUs = 60_000_000;
const maxRemembered = 20_000;
const maxRounds = 5;
const keyBytes = 32;

export function createSubjectKeys(given: {
  db: Database;
  /** 32 bytes, kept outside the database. */
  wrappingKey: Buffer;
  clock: Clock;
}): SubjectKeys {
  const { db, wrappingKey, clock } = given;
  const remembered = new Map<string, Known>();

  const unwrap = (userId: string, wrapped: Buffer): Buffer => {
    const key = decrypt(wrappingKey, userId, wrapped);
    if (key) return key;
    throw new Error(`the key of user ${userId} does not open: the wrapping key is another one`);
  };

  const remember = (userId: string, known: Known) => {
    // Last in, so that the first in line is the one read longest ago.
    remembered.delete(userId);
    remembered.set(userId, known);
    if (remembered.size <= maxRemembered) return;
    const oldest = remembered.keys().next();
    if (!oldest.done) remembered.delete(oldest.value);
  };

  const knownOf = ({ userId, wrapped }: Row, untilUs: number): Known => {
    const before = remembered.get(userId);
    if (before && sameBytes(before.wrapped, wrapped)) {
      before.untilUs = untilUs;
      return before;
    }
    const seal = wrapped === null ? () => null : sealer(userId, unwrap(userId, wrapped));
    return { wrapped, untilUs, seal };
  };

  // A key this process knows already is offered again, so that nothing is made for nothing.
  const offer = (userId: string) =>
    remembered.get(userId)?.wrapped ?? encrypt(wrappingKey, userId, randomBytes(keyBytes));

  /** Rows made by a transaction that has not ended are waited for, and seen by the next round. */
  const load = async (by: Database, userIds: readonly string[]): Promise<Row[]> => {
    const found: Row[] = [];
    let missing = [...userIds];
    for (let round = 0; missing.length > 0; round += 1) {
      if (round === maxRounds) throw new Error(`keys of ${missing.length} users can not be made`);
      const values = [missing, missing.map(offer), isoFromUs(clock.nowUs())];
      const rows = await by.query<Row>({ ...findOrMake, values });
      found.push(...rows);
      const seen = new Set(rows.map(({ userId }) => userId));
      missing = missing.filter((userId) => !seen.has(userId));
    }
    return found;
  };

  const openAll = async (userIds: readonly string[]) => {
    const rows = await db.query<{ userId: string; wrapped: Buffer }>({
      name: 'subject-keys-open',
      text: `SELECT user_id AS "userId", wrapped FROM audit_subject_keys
              WHERE user_id = ANY($1::bigint[]) AND wrapped IS NOT NULL`,
      values: [userIds],
    });
    return new Map(rows.map(({ userId, wrapped }) => [userId, unwrap(userId, wrapped)]));
  };

  return {
    async keysOf(userIds) {
      const nowUs = clock.nowUs();
      const keys = new Map<string, SubjectKey>();
      const unknown: string[] = [];
      for (const userId of new Set(userIds)) {
        const known = remembered.get(userId);
        if (known && nowUs < known.untilUs) keys.set(userId, known);
        else unknown.push(userId);
      }
      if (unknown.length === 0) return keys;
      for (const row of await load(db, unknown)) {
        const known = knownOf(row, nowUs + rememberUs);
        remember(row.userId, known);
        keys.set(row.userId, known);
      }
      return keys;
    },

    async keyIn(tx, userId) {
      const nowUs = clock.nowUs();
      const known = remembered.get(userId);
      if (known && nowUs < known.untilUs) return known;
      const [row] = await load(tx, [userId]);
      const read = knownOf(row!, nowUs + rememberUs);
      if (!row!.made && row!.wrapped !== null) remember(userId, read);
      return read;
    },

    open: async (userId) => (await openAll([userId])).get(userId) ?? null,
    openAll,

    async erase(tx, userId) {
      remembered.delete(userId);
      await tx.query({
        text: `INSERT INTO audit_subject_keys AS k (user_id, wrapped, created_at, erased_at) VALUES ($1, NULL, $2, $2)
               ON CONFLICT (user_id) DO UPDATE
                  SET wrapped = NULL, erased_at = coalesce(k.erased_at, excluded.erased_at)`,
        values: [userId, isoFromUs(clock.nowUs())],
      });
    },
  };
}

// In order of users, so that two of these never wait for each other in a circle.
const findOrMake = {
  name: 'subject-keys-find-or-make',
  text: `WITH wanted AS (SELECT * FROM unnest($1::bigint[], $2::bytea[]) AS w(user_id, offered)),
              made AS (
                INSERT INTO audit_subject_keys (user_id, wrapped, created_at)
                SELECT user_id, offered, $3 FROM wanted ORDER BY user_id
                ON CONFLICT (user_id) DO NOTHING RETURNING user_id, wrapped)
         SELECT user_id AS "userId", wrapped, true AS made FROM made
         UNION ALL SELECT k.user_id, k.wrapped, false FROM audit_subject_keys AS k JOIN wanted USING (user_id)`,
};

/** The same person at the same place is the usual case: what was sealed last is used again. */
function sealer(userId: string, key: Buffer): SubjectKey['seal'] {
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
