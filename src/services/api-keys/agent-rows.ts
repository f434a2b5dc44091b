/** The agents of a key in PostgreSQL. Every statement for an owner names the owner. */
import type { Database } from '../ports.ts';
import type { AgentView } from './contract.ts';
import { iso } from './stored-key.ts';
import { MAX_SLOTS } from './token.ts';

/** Assigns the lowest free slot; undefined when there is none. */
export async function insertAgent(
  tx: Database,
  row: { keyId: string; name: string; secretHash: Buffer; createdAt: string },
): Promise<AgentView | undefined> {
  const [agent] = await tx.query<AgentView>({
    text: `INSERT INTO api_key_agents (key_id, slot, name, secret_hash, created_at)
           SELECT $1, place, $2, $3, $4 FROM generate_series(1, ${MAX_SLOTS}) AS place
            WHERE NOT EXISTS (SELECT FROM api_key_agents
                               WHERE key_id = $1 AND slot = place AND revoked_at IS NULL)
            ORDER BY place LIMIT 1 RETURNING slot, name, ${iso('created_at', 'createdAt')}`,
    values: [row.keyId, row.name, row.secretHash, row.createdAt],
  });
  return agent;
}

/** Null when the owner has no such key, or it is revoked. */
export async function listAgents(
  db: Database,
  ownerId: string,
  keyId: string,
): Promise<readonly AgentView[] | null> {
  const rows = await db.query<AgentView | { slot: null }>({
    name: 'agents-of-key',
    text: `SELECT slot, a.name, ${iso('a.created_at', 'createdAt')}
             FROM api_keys AS k LEFT JOIN api_key_agents AS a ON key_id = k.id AND a.revoked_at IS NULL
            WHERE k.id = $1 AND owner_id = $2 AND k.revoked_at IS NULL ORDER BY slot`,
    values: [keyId, ownerId],
  });
  if (rows.length === 0) return null;
  return rows.filter((row): row is AgentView => row.slot !== null);
}

interface AgentSlot {
  readonly ownerId: string;
  readonly keyId: string;
  readonly slot: number;
}

/** False when the slot has no agent. */
export async function revokeAgent(
  tx: Database,
  { ownerId, keyId, slot, revokedAt }: AgentSlot & { readonly revokedAt: string },
): Promise<boolean> {
  const revoked = await tx.query({
    text: `UPDATE api_key_agents SET revoked_at = $4 FROM api_keys AS k
            WHERE key_id = $1 AND slot = $3 AND api_key_agents.revoked_at IS NULL
              AND k.id = key_id AND owner_id = $2 RETURNING slot`,
    values: [keyId, ownerId, slot, revokedAt],
  });
  return revoked.length > 0;
}

/** Revoked or not. */
export async function agentExists(
  tx: Database,
  { ownerId, keyId, slot }: AgentSlot,
): Promise<boolean> {
  const rows = await tx.query({
    text: `SELECT 1 FROM api_key_agents AS a JOIN api_keys AS k ON k.id = key_id
            WHERE key_id = $1 AND slot = $3 AND owner_id = $2 LIMIT 1`,
    values: [keyId, ownerId, slot],
  });
  return rows.length > 0;
}
