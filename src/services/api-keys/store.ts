/** Keys and agents in PostgreSQL. Every statement for an owner names the owner, so isolation needs no later check. */
import {
  type Clock,
  type Database,
  isoFromUs,
  type Random,
  ServiceError,
  type ThrottleRead,
  type TransactionalDatabase,
} from '../ports.ts';
import { hashesEqual } from '../secret-token.ts';
import type { AgentView, ApiKeys, ApiKeyView, KeyPrincipal } from './contract.ts';
import { createKeyCache, type KeyCache } from './key-cache.ts';
import { agentHashOf, readKeys, type StoredKey } from './stored-key.ts';
import { MAX_SLOTS, makeSecret, type PresentedKey, readKeyToken, subjectOf } from './token.ts';

/** Per owner. */
export const MAX_KEYS = 100;

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
    authenticate: (token, throttle) => authenticate(keyCache, token, throttle),

    create(ownerId, name, recordIn) {
      const { secretHash, token } = makeSecret(random);
      return db.transaction(async (tx) => {
        // Locked, so that concurrent creations count each other's key.
        const organisationId = await lockOwner(tx, ownerId);
        if ((await countKeys(tx, ownerId)) >= MAX_KEYS) return 'full';
        const row = { organisationId, ownerId, name, secretHash, createdAt: now() };
        const key = await insertKey(tx, row);
        await recordIn(tx, { resourceId: key.id });
        return { token: token(key.id, 0), key: { ...key, agents: 0 } };
      });
    },

    list: (ownerId) => listKeys(db, ownerId),

    async revoke(ownerId, keyId, recordIn) {
      const wasThere = await db.transaction(async (tx) => {
        const isRevoked = await revokeKey(tx, ownerId, keyId, now());
        if (isRevoked) await recordIn(tx);
        return isRevoked || (await keyExists(tx, ownerId, keyId));
      });
      keyCache.invalidate(keyId);
      return wasThere;
    },

    async enrol(ownerId, keyId, name, recordIn) {
      const { secretHash, token } = makeSecret(random);
      const enrolled = await db.transaction(async (tx) => {
        // Locked first, so that the next statement sees every slot assigned before.
        if (!(await lockKey(tx, ownerId, keyId))) return null;
        const agent = await insertAgent(tx, { keyId, name, secretHash, createdAt: now() });
        if (!agent) return 'full';
        await recordIn(tx, { resourceId: `${keyId}/${agent.slot}` });
        return agent;
      });
      // In this process the agent works at once.
      keyCache.invalidate(keyId);
      if (enrolled === null || enrolled === 'full') return enrolled;
      return { token: token(keyId, enrolled.slot), agent: enrolled };
    },

    agents: (ownerId, keyId) => listAgents(db, ownerId, keyId),

    async revokeAgent(ownerId, keyId, slot, recordIn) {
      const wasThere = await db.transaction(async (tx) => {
        const isRevoked = await revokeAgent(tx, { ownerId, keyId, slot, revokedAt: now() });
        if (isRevoked) await recordIn(tx);
        return isRevoked || (await agentExists(tx, { ownerId, keyId, slot }));
      });
      keyCache.invalidate(keyId);
      return wasThere;
    },
  };
}

async function authenticate(
  keyCache: KeyCache<StoredKey>,
  token: string,
  throttle?: ThrottleRead,
): Promise<KeyPrincipal | null> {
  const presented = readKeyToken(token);
  if (!presented) return null;
  let key = await keyCache.find(presented.keyId, throttle);
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
}

/** Returns the owner's organisation. */
async function lockOwner(tx: Database, ownerId: string): Promise<string> {
  const [owner] = await tx.query<{ organisation_id: string }>({
    text: 'SELECT organisation_id FROM users WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE',
    values: [ownerId],
  });
  if (!owner) throw accountDisabled();
  return owner.organisation_id;
}

async function countKeys(tx: Database, ownerId: string): Promise<number> {
  const [{ count }] = (await tx.query<{ count: string }>({
    text: 'SELECT count(*) FROM api_keys WHERE owner_id = $1 AND revoked_at IS NULL',
    values: [ownerId],
  })) as [{ count: string }];
  return Number(count);
}

async function insertKey(
  tx: Database,
  row: {
    organisationId: string;
    ownerId: string;
    name: string;
    secretHash: Buffer;
    createdAt: string;
  },
): Promise<Omit<ApiKeyView, 'agents'>> {
  const [key] = await tx.query<Omit<ApiKeyView, 'agents'>>({
    text: `INSERT INTO api_keys (organisation_id, owner_id, name, secret_hash, created_at)
           VALUES ($1, $2, $3, $4, $5) RETURNING id, name, ${iso('created_at')}`,
    values: [row.organisationId, row.ownerId, row.name, row.secretHash, row.createdAt],
  });
  return key!;
}

const listKeys = (db: Database, ownerId: string): Promise<readonly ApiKeyView[]> =>
  db.query<ApiKeyView>({
    name: 'keys-of-owner',
    text: `SELECT id, name, ${iso('created_at')},
                  (SELECT count(*)::int FROM api_key_agents WHERE key_id = k.id AND revoked_at IS NULL) AS agents
             FROM api_keys AS k WHERE owner_id = $1 AND revoked_at IS NULL ORDER BY id DESC LIMIT ${MAX_KEYS}`,
    values: [ownerId],
  });

/** False when the owner has no such key, or it was revoked before. */
async function revokeKey(
  tx: Database,
  ownerId: string,
  keyId: string,
  revokedAt: string,
): Promise<boolean> {
  const revoked = await tx.query({
    text: `UPDATE api_keys SET revoked_at = $3
            WHERE id = $1 AND owner_id = $2 AND revoked_at IS NULL RETURNING id`,
    values: [keyId, ownerId, revokedAt],
  });
  return revoked.length > 0;
}

/** Revoked or not. */
async function keyExists(tx: Database, ownerId: string, keyId: string): Promise<boolean> {
  const text = 'SELECT 1 FROM api_keys WHERE id = $1 AND owner_id = $2';
  return (await tx.query({ text, values: [keyId, ownerId] })).length > 0;
}

/** False when the owner has no such key, or it is revoked. */
async function lockKey(tx: Database, ownerId: string, keyId: string): Promise<boolean> {
  const locked = await tx.query({
    text: 'SELECT 1 FROM api_keys WHERE id = $1 AND owner_id = $2 AND revoked_at IS NULL FOR NO KEY UPDATE',
    values: [keyId, ownerId],
  });
  return locked.length > 0;
}

/** Assigns the lowest free slot; undefined when there is none. */
async function insertAgent(
  tx: Database,
  row: { keyId: string; name: string; secretHash: Buffer; createdAt: string },
): Promise<AgentView | undefined> {
  const [agent] = await tx.query<AgentView>({
    text: `INSERT INTO api_key_agents (key_id, slot, name, secret_hash, created_at)
           SELECT $1, place, $2, $3, $4 FROM generate_series(1, ${MAX_SLOTS}) AS place
            WHERE NOT EXISTS (SELECT FROM api_key_agents
                               WHERE key_id = $1 AND slot = place AND revoked_at IS NULL)
            ORDER BY place LIMIT 1 RETURNING slot, name, ${iso('created_at')}`,
    values: [row.keyId, row.name, row.secretHash, row.createdAt],
  });
  return agent;
}

/** Null when the owner has no such key, or it is revoked. */
async function listAgents(
  db: Database,
  ownerId: string,
  keyId: string,
): Promise<readonly AgentView[] | null> {
  const rows = await db.query<AgentView | { slot: null }>({
    name: 'agents-of-key',
    text: `SELECT slot, a.name, ${iso('a.created_at')}
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
async function revokeAgent(
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
async function agentExists(tx: Database, { ownerId, keyId, slot }: AgentSlot): Promise<boolean> {
  const rows = await tx.query({
    text: `SELECT 1 FROM api_key_agents AS a JOIN api_keys AS k ON k.id = key_id
            WHERE key_id = $1 AND slot = $3 AND owner_id = $2 LIMIT 1`,
    values: [keyId, ownerId, slot],
  });
  return rows.length > 0;
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
