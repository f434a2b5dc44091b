/** Keys and agents in bulk, as seed data: thousands in about a second. Names are what a customer would choose. */
import { type Clock, type Database, isoFromUs, type Random } from '../ports.ts';
import type { Tier } from './contract.ts';
import { expiryOf } from './lifetime.ts';
import { MAX_SLOTS, makeSecret, subjectOf } from './token.ts';

export interface SeededKey {
  readonly ownerId: string;
  readonly keyId: string;
  /** 0: the key itself. */
  readonly slot: number;
  readonly subject: string;
  readonly token: string;
}

interface Stores {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

/** One key for each entry of `ownerIds`, so an owner listed twice gets two. */
export async function seedKeys(
  ownerIds: readonly string[],
  { db, clock, random, tier }: Stores & { tier: Tier | null },
): Promise<readonly SeededKey[]> {
  const ids = await db.query<{ id: string }>({
    text: `SELECT nextval(pg_get_serial_sequence('api_keys', 'id')) AS id FROM generate_series(1, $1::int)`,
    values: [ownerIds.length],
  });
  const secrets = ownerIds.map(() => makeSecret(random));
  await db.query({
    text: `INSERT INTO api_keys (id, organisation_id, owner_id, name, tier, secret_hash, created_at, expires_at)
           SELECT key_id, organisation_id, u.id, 'pipeline ' || key_id, $4, hash, $5, $6
             FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS k(key_id, owner, hash)
             JOIN users AS u ON u.id = owner`,
    values: [
      ids.map(({ id }) => id),
      ownerIds,
      secrets.map(({ secretHash }) => secretHash),
      tier,
      isoFromUs(clock.nowUs()),
      expiryOf(clock.nowUs()),
    ],
  });
  return ownerIds.map((ownerId, i) => {
    const keyId = ids[i]!.id;
    const subject = subjectOf(keyId, 0);
    return { ownerId, keyId, slot: 0, subject, token: secrets[i]!.token(keyId, 0) };
  });
}

/** `count` agents on each key, in the slots after the highest in use. */
export async function seedAgents(
  keys: readonly SeededKey[],
  { db, clock, random, count }: Stores & { count: number },
): Promise<readonly SeededKey[]> {
  const taken = await db.query<{ id: string; last: number }>({
    text: `SELECT key_id AS id, max(slot)::int AS last FROM api_key_agents
            WHERE key_id = ANY($1::bigint[]) AND revoked_at IS NULL GROUP BY key_id`,
    values: [keys.map(({ keyId }) => keyId)],
  });
  const lastSlotOf = new Map(taken.map(({ id, last }) => [id, last]));
  const made = keys.flatMap(({ ownerId, keyId }) =>
    Array.from({ length: count }, (_, i) => {
      const slot = (lastSlotOf.get(keyId) ?? 0) + 1 + i;
      if (slot > MAX_SLOTS) throw new Error(`key ${keyId} has no slot ${slot}`);
      return { ownerId, keyId, slot, secret: makeSecret(random) };
    }),
  );
  await db.query({
    text: `INSERT INTO api_key_agents (key_id, slot, name, secret_hash, created_at)
           SELECT key_id, slot, 'runner-' || slot, hash, $4
             FROM unnest($1::bigint[], $2::smallint[], $3::bytea[]) AS a(key_id, slot, hash)`,
    values: [
      made.map(({ keyId }) => keyId),
      made.map(({ slot }) => slot),
      made.map(({ secret }) => secret.secretHash),
      isoFromUs(clock.nowUs()),
    ],
  });
  return made.map(({ ownerId, keyId, slot, secret }) => ({
    ownerId,
    keyId,
    slot,
    subject: subjectOf(keyId, slot),
    token: secret.token(keyId, slot),
  }));
}
