/**
 * A key as authentication needs it: with the hashes of all its agents in one buffer, so that the largest key takes
 * about 6 kB of memory. Revoked keys and agents, and those of disabled owners, are left out.
 */
import type { Database } from '../ports.ts';
import type { Tier } from './contract.ts';

const HASH_BYTES = 32;

export interface StoredKey {
  readonly keyId: string;
  readonly organisationId: string;
  readonly ownerId: string;
  readonly tier: Tier | null;
  readonly secretHash: Buffer;
  readonly expiresAtUs: number;
  /** Slots in use, ascending. */
  readonly slots: readonly number[];
  /** In the order of `slots`. */
  readonly agentHashes: Buffer;
}

/** A time as text, in SQL. */
export const iso = (column: string, name: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "${name}"`;

export function agentHashOf({ slots, agentHashes }: StoredKey, slot: number): Buffer | null {
  const offset = slots.indexOf(slot) * HASH_BYTES;
  return offset < 0 ? null : agentHashes.subarray(offset, offset + HASH_BYTES);
}

export async function readKeys(
  db: Database,
  keyIds: readonly string[],
): Promise<ReadonlyMap<string, StoredKey>> {
  const rows = await db.query<Omit<StoredKey, 'expiresAtUs'> & { expiresAtUs: string }>({
    name: 'keys-read',
    text: `SELECT k.id AS "keyId", k.organisation_id AS "organisationId", owner_id AS "ownerId", tier,
                  k.secret_hash AS "secretHash", (extract(epoch FROM expires_at) * 1000000)::bigint AS "expiresAtUs",
                  coalesce(array_agg(slot ORDER BY slot) FILTER (WHERE slot IS NOT NULL), '{}') AS slots,
                  coalesce(string_agg(a.secret_hash, ''::bytea ORDER BY slot), '') AS "agentHashes"
             FROM api_keys AS k
             JOIN users AS u ON u.id = owner_id AND disabled_at IS NULL
             LEFT JOIN api_key_agents AS a ON key_id = k.id AND a.revoked_at IS NULL
            WHERE k.id = ANY($1::bigint[]) AND k.revoked_at IS NULL
            GROUP BY k.id`,
    values: [keyIds],
  });
  return new Map(rows.map((row) => [row.keyId, { ...row, expiresAtUs: Number(row.expiresAtUs) }]));
}
