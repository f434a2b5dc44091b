/** Keys and agents in PostgreSQL. Every statement for an owner names the owner, so isolation needs no later check. */
import {
  type Clock,
  isoFromUs,
  type Random,
  ServiceError,
  type TransactionalDatabase,
} from '../ports.ts';
import { hashesEqual } from '../secret-token.ts';
import type { AgentView, ApiKeys, ApiKeyView } from './contract.ts';
import { createKeyCache } from './key-cache.ts';
import { agentHashOf, readKeys, type StoredKey } from './stored-key.ts';
import { makeSecret, maxSlots, type PresentedKey, readKeyToken, subjectOf } from './token.ts';

/** Per owner. */
export const maxKeys = 100;

const iso = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "createdAt"`;

export function createApiKeys(given: {
  db: TransactionalDatabase;
  clock: Clock;
  random: Random;
  monotonicMs?: () => number;
}): ApiKeys {
  const { db, clock, random } = given;
  const keyCache = createKeyCache({
    read: (keyIds) => readKeys(db, keyIds),
    monotonicMs: given.monotonicMs ?? (() => performance.now()),
  });
  const now = () => isoFromUs(clock.nowUs());

  return {
    async authenticate(token) {
      const presented = readKeyToken(token);
      if (!presented) return null;
      let key = await keyCache.find(presented.keyId);
      if (key && !matchesSecret(key, presented)) key = await keyCache.refresh(presented.keyId);
      if (!key || !matchesSecret(key, presented)) return null;
      const { slot } = presented;
      const { keyId, organisationId, ownerId, tier, slots } = key;
      return {
        keyId,
        organisationId,
        ownerId,
        tier,
        agent: slot,
        agents: slots.at(-1) ?? 0,
        subject: subjectOf(keyId, slot),
      };
    },

    create(ownerId, name, recordIn) {
      const { secretHash, token } = makeSecret(random);
      return db.transaction(async (tx) => {
        // Locked, so that concurrent creations count each other's key.
        const [owner] = await tx.query<{ organisation_id: string }>({
          text: 'SELECT organisation_id FROM users WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE',
          values: [ownerId],
        });
        if (!owner) throw accountDisabled();
        const [{ count }] = (await tx.query<{ count: string }>({
          text: 'SELECT count(*) FROM api_keys WHERE owner_id = $1 AND revoked_at IS NULL',
          values: [ownerId],
        })) as [{ count: string }];
        if (Number(count) >= maxKeys) return 'full';
        const [key] = await tx.query<Omit<ApiKeyView, 'agents'>>({
          text: `INSERT INTO api_keys (organisation_id, owner_id, name, secret_hash, created_at)
                 VALUES ($1, $2, $3, $4, $5) RETURNING id, name, ${iso('created_at')}`,
          values: [owner.organisation_id, ownerId, name, secretHash, now()],
        });
        await recordIn(tx, { resourceId: key!.id });
        return { token: token(key!.id, 0), key: { ...key!, agents: 0 } };
      });
    },

    list: (ownerId) =>
      db.query<ApiKeyView>({
        name: 'keys-of-owner',
        text: `SELECT id, name, ${iso('created_at')},
                      (SELECT count(*)::int FROM api_key_agents WHERE key_id = k.id AND revoked_at IS NULL) AS agents
                 FROM api_keys AS k WHERE owner_id = $1 AND revoked_at IS NULL ORDER BY id DESC LIMIT ${maxKeys}`,
        values: [ownerId],
      }),

    async revoke(ownerId, keyId, recordIn) {
      const wasThere = await db.transaction(async (tx) => {
        const ended = await tx.query({
          text: `UPDATE api_keys SET revoked_at = $3
                  WHERE id = $1 AND owner_id = $2 AND revoked_at IS NULL RETURNING id`,
          values: [keyId, ownerId, now()],
        });
        if (ended.length > 0) await recordIn(tx);
        if (ended.length > 0) return true;
        const text = 'SELECT 1 FROM api_keys WHERE id = $1 AND owner_id = $2';
        return (await tx.query({ text, values: [keyId, ownerId] })).length > 0;
      });
      keyCache.invalidate(keyId);
      return wasThere;
    },

    async enrol(ownerId, keyId, name, recordIn) {
      const { secretHash, token } = makeSecret(random);
      const enrolled = await db.transaction(async (tx) => {
        // Locked first, so that the next statement sees every slot assigned before.
        const key = await tx.query({
          text: 'SELECT 1 FROM api_keys WHERE id = $1 AND owner_id = $2 AND revoked_at IS NULL FOR NO KEY UPDATE',
          values: [keyId, ownerId],
        });
        if (key.length === 0) return null;
        const [agent] = await tx.query<AgentView>({
          text: `INSERT INTO api_key_agents (key_id, slot, name, secret_hash, created_at)
                 SELECT $1, place, $2, $3, $4 FROM generate_series(1, ${maxSlots}) AS place
                  WHERE NOT EXISTS (SELECT FROM api_key_agents
                                     WHERE key_id = $1 AND slot = place AND revoked_at IS NULL)
                  ORDER BY place LIMIT 1 RETURNING slot, name, ${iso('created_at')}`,
          values: [keyId, name, secretHash, now()],
        });
        if (!agent) return 'full';
        await recordIn(tx, { resourceId: `${keyId}/${agent.slot}` });
        return agent;
      });
      // In this process the agent works at once.
      keyCache.invalidate(keyId);
      if (enrolled === null || enrolled === 'full') return enrolled;
      return { token: token(keyId, enrolled.slot), agent: enrolled };
    },

    async agents(ownerId, keyId) {
      const rows = await db.query<AgentView | { slot: null }>({
        name: 'agents-of-key',
        text: `SELECT slot, a.name, ${iso('a.created_at')}
                 FROM api_keys AS k LEFT JOIN api_key_agents AS a ON key_id = k.id AND a.revoked_at IS NULL
                WHERE k.id = $1 AND owner_id = $2 AND k.revoked_at IS NULL ORDER BY slot`,
        values: [keyId, ownerId],
      });
      if (rows.length === 0) return null;
      return rows.filter((row): row is AgentView => row.slot !== null);
    },

    async revokeAgent(ownerId, keyId, slot, recordIn) {
      const wasThere = await db.transaction(async (tx) => {
        const ended = await tx.query({
          text: `UPDATE api_key_agents SET revoked_at = $4 FROM api_keys AS k
                  WHERE key_id = $1 AND slot = $3 AND api_key_agents.revoked_at IS NULL
                    AND k.id = key_id AND owner_id = $2 RETURNING slot`,
          values: [keyId, ownerId, slot, now()],
        });
        if (ended.length > 0) await recordIn(tx);
        if (ended.length > 0) return true;
        const rows = await tx.query({
          text: `SELECT 1 FROM api_key_agents AS a JOIN api_keys AS k ON k.id = key_id
                  WHERE key_id = $1 AND slot = $3 AND owner_id = $2 LIMIT 1`,
          values: [keyId, ownerId, slot],
        });
        return rows.length > 0;
      });
      keyCache.invalidate(keyId);
      return wasThere;
    },
  };
}

function matchesSecret(key: StoredKey, { slot, secretHash }: PresentedKey): boolean {
  const expected = slot === 0 ? key.secretHash : agentHashOf(key, slot);
  return expected !== null && hashesEqual(secretHash, expected);
}

const accountDisabled = () =>
  new ServiceError({
    status: 403,
    code: 'account-disabled',
    detail: 'This account is disabled.',
  });
