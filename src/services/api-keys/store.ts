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
import { agentExists, insertAgent, listAgents, revokeAgent } from './agent-rows.ts';
import type { ApiKeys, ApiKeyView, KeyPrincipal } from './contract.ts';
import { createKeyCache, type KeyCache } from './key-cache.ts';
import { expiryOf } from './lifetime.ts';
import { agentHashOf, iso, readKeys, type StoredKey } from './stored-key.ts';
import { makeSecret, type PresentedKey, readKeyToken, subjectOf } from './token.ts';

/** Per owner. */
export const MAX_KEYS = 100;

const keyTimes = `${iso('created_at', 'createdAt')}, ${iso('expires_at', 'expiresAt')}`;

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
    authenticate: (token, throttle) => authenticate(keyCache, token, { clock, throttle }),

    create(ownerId, name, recordIn, lifetimeDays) {
      const { secretHash, token } = makeSecret(random);
      const createdAtUs = clock.nowUs();
      const times = {
        createdAt: isoFromUs(createdAtUs),
        expiresAt: expiryOf(createdAtUs, lifetimeDays),
      };
      return db.transaction(async (tx) => {
        // Locked, so that concurrent creations count each other's key.
        const organisationId = await lockOwner(tx, ownerId);
        if ((await countKeys(tx, ownerId, times.createdAt)) >= MAX_KEYS) return 'full';
        const row = { organisationId, ownerId, name, secretHash, ...times };
        const key = await insertKey(tx, row);
        await recordIn(tx, { resourceId: key.id });
        return { token: token(key.id, 0), key: { ...key, agents: 0 } };
      });
    },

    list: (ownerId) => listKeys(db, ownerId, now()),

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
        if (!(await lockKey(tx, ownerId, keyId, now()))) return null;
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

    async revokeAll(ownerId, organisationId, recordIn) {
      const revoked = await db.transaction(async (tx) => {
        const keyIds = await revokeKeysOf(tx, ownerId, now());
        const change = { before: { keys: keyIds.length }, after: { keys: 0 } };
        if (keyIds.length > 0)
          await recordIn(tx, { change, affectedOrganisationId: organisationId });
        return keyIds;
      });
      for (const keyId of revoked) keyCache.invalidate(keyId);
      return revoked.length;
    },

    async revokeAllIn(tx, ownerId) {
      const keyIds = await revokeKeysOf(tx, ownerId, now());
      return {
        count: keyIds.length,
        forget: () => keyIds.forEach((keyId) => void keyCache.invalidate(keyId)),
      };
    },
  };
}

async function authenticate(
  keyCache: KeyCache<StoredKey>,
  token: string,
  { clock, throttle }: { clock: Clock; throttle: ThrottleRead | undefined },
): Promise<KeyPrincipal | null> {
  const presented = readKeyToken(token);
  if (!presented) return null;
  let key = await keyCache.find(presented.keyId, throttle);
  if (key && !matchesSecret(key, presented)) key = await keyCache.refresh(presented.keyId);
  if (!key || !matchesSecret(key, presented)) return null;
  // At each use: what is cached expires in time too.
  if (clock.nowUs() >= key.expiresAtUs) return null;
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

/** Expired keys leave room for others. */
async function countKeys(tx: Database, ownerId: string, now: string): Promise<number> {
  const [{ count }] = (await tx.query<{ count: string }>({
    text: 'SELECT count(*) FROM api_keys WHERE owner_id = $1 AND revoked_at IS NULL AND expires_at > $2',
    values: [ownerId, now],
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
    expiresAt: string;
  },
): Promise<Omit<ApiKeyView, 'agents'>> {
  const [key] = await tx.query<Omit<ApiKeyView, 'agents'>>({
    text: `INSERT INTO api_keys (organisation_id, owner_id, name, secret_hash, created_at, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6) RETURNING id, name, ${keyTimes}`,
    values: [
      row.organisationId,
      row.ownerId,
      row.name,
      row.secretHash,
      row.createdAt,
      row.expiresAt,
    ],
  });
  return key!;
}

const listKeys = (db: Database, ownerId: string, now: string): Promise<readonly ApiKeyView[]> =>
  db.query<ApiKeyView>({
    name: 'keys-of-owner',
    text: `SELECT id, name, ${keyTimes},
                  (SELECT count(*)::int FROM api_key_agents WHERE key_id = k.id AND revoked_at IS NULL) AS agents
             FROM api_keys AS k WHERE owner_id = $1 AND revoked_at IS NULL
            ORDER BY expires_at <= $2, id DESC LIMIT ${MAX_KEYS}`,
    values: [ownerId, now],
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

async function revokeKeysOf(tx: Database, ownerId: string, revokedAt: string): Promise<string[]> {
  const revoked = await tx.query<{ id: string }>({
    text: 'UPDATE api_keys SET revoked_at = $2 WHERE owner_id = $1 AND revoked_at IS NULL RETURNING id',
    values: [ownerId, revokedAt],
  });
  return revoked.map(({ id }) => id);
}

/** False when the owner has no such key, or it is revoked or expired. */
async function lockKey(
  tx: Database,
  ownerId: string,
  keyId: string,
  now: string,
): Promise<boolean> {
  const locked = await tx.query({
    text: `SELECT 1 FROM api_keys WHERE id = $1 AND owner_id = $2 AND revoked_at IS NULL AND expires_at > $3
              FOR NO KEY UPDATE`,
    values: [keyId, ownerId, now],
  });
  return locked.length > 0;
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
