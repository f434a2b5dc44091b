/**
 * The accounts of groups: real sessions, keys and agents of seeded users, and the client address of each. A group has as
 * many accounts as credentials or addresses, whichever are more: account n has the n-th of each, cyclically. So one key
 * is used from many addresses, or many keys from one.
 *
 * `vars` are the same for every kind, so that any template fits: id, project, email, password, newPassword, session, key,
 * agent, address, forwardedFor (for requests sent without the account's headers), victim (an email to try logins for),
 * forged (the session's token with another secret), administrator (a token).
 */
import type { Redis } from 'ioredis';
import { type SeededKey, seedAgents, seedKeys } from '../api-keys/seed.ts';
import type { SessionsDesign } from '../design.ts';
import type { Clock, Database, Random } from '../ports.ts';
import { writeLimitSettings } from '../rate-limit/settings.ts';
import { policies } from '../rate-limit/settings-policy.ts';
import { hashPassword } from '../sessions/hashing/password.ts';
import { SEED_PASSWORD, seedEmail } from '../sessions/seed.ts';
import { seedSessions } from '../sessions/seed-sessions.ts';
import { withOtherSecret } from '../sessions/token.ts';
import { type AccountGroup, clientAddress, forgedAddress } from './account-groups.ts';

export interface AccountStores {
  readonly db: Database;
  readonly redis: Redis;
  readonly keyPrefix: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Of the copies of sessions in Redis. */
  readonly sessionKey: Buffer;
}

/** As the load reads it; see the engine's `Account`. */
export interface Account {
  readonly id: string;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly vars: Readonly<Record<string, string>>;
  readonly group?: string;
  readonly endsAtMs?: number;
  readonly dormant?: boolean;
}

interface Credential {
  readonly userId: string;
  readonly subject: string;
  readonly token: string;
  /** Empty for a key. */
  readonly sessionId: string;
  /** Empty for a session. */
  readonly keyId: string;
  readonly slot: number;
  /** Of a session that ends by itself soon. */
  readonly endsAtMs?: number;
}

type AccountResources = AccountStores & { design: SessionsDesign };

export async function createGroupAccounts(
  groups: readonly AccountGroup[],
  resources: AccountResources,
): Promise<readonly Account[]> {
  const accounts: Account[] = [];
  const keysOf = new Map<AccountGroup, readonly SeededKey[]>();
  const firstTokenOf = new Map<AccountGroup | null, string>();
  for (const [index, group] of groups.entries()) {
    // Before its credentials, which name the organisation.
    await joinOrganisation(group, resources.db);
    await lowerPasswordCost(group, resources);
    const credentials = await createCredentials(group, keysOf, resources);
    firstTokenOf.set(group, credentials[0]!.token);
    await writeLimits(group, resources.db);
    if (group.administrators) await makeAdministrators(group, resources.db);
    const administrator = firstTokenOf.get(group.administratedBy) ?? '';
    const built = { ...resources, credentials, administrator };
    accounts.push(...(await buildAccounts(group, index, built)));
  }
  return accounts;
}

async function joinOrganisation(group: AccountGroup, db: Database): Promise<void> {
  if (group.organisationOf === null) return;
  await db.query({
    text: `UPDATE users SET organisation_id = (SELECT organisation_id FROM users WHERE id = $2)
            WHERE id = ANY($1::bigint[])`,
    values: [usersOf(group), group.organisationOf],
  });
}

const OLD_COST = { cost: 2 ** 10, parallelization: 1 };

async function lowerPasswordCost(
  group: AccountGroup,
  { db, random, design }: AccountResources,
): Promise<void> {
  if (!group.cheapPasswords) return;
  const old = { ...design.password, ...OLD_COST };
  await db.query({
    text: 'UPDATE users SET password_hash = $2 WHERE id = ANY($1::bigint[])',
    values: [usersOf(group), await hashPassword(SEED_PASSWORD, random.bytes(16), old)],
  });
}

async function makeAdministrators(group: AccountGroup, db: Database): Promise<void> {
  const text = "UPDATE users SET role = 'administrator' WHERE id = ANY($1::bigint[])";
  await db.query({ text, values: [usersOf(group)] });
}

async function writeLimits(group: AccountGroup, db: Database): Promise<void> {
  const { tier, limits } = group;
  const organisations = await db.query<{ id: string }>({
    text: 'SELECT DISTINCT organisation_id AS id FROM users WHERE id = ANY($1::bigint[]) ORDER BY 1',
    values: [usersOf(group)],
  });
  const rows = organisations.flatMap(({ id }) => [
    ...(tier ? [{ organisationId: id, tier }] : []),
    ...policies.flatMap((policy) => {
      const limit = limits[policy];
      const setting = { scope: 'organisation', name: id, policy, mode: 'enforce' } as const;
      return limit === undefined ? [] : [{ ...setting, limit }];
    }),
  ]);
  await writeLimitSettings(db, rows);
}

const usersOf = ({ firstUser, count }: AccountGroup) =>
  Array.from({ length: count }, (_, i) => String(firstUser + i));

async function createCredentials(
  group: AccountGroup,
  keysOf: Map<AccountGroup, readonly SeededKey[]>,
  resources: AccountResources,
): Promise<readonly Credential[]> {
  const { kind, perUser, tier } = group;
  if (kind === 'sessions') return createSessions(group, resources);
  const keysEach = kind === 'keys' ? perUser : 1;
  const owners = usersOf(group).flatMap((user) => Array.from({ length: keysEach }, () => user));
  const keys = group.keyOf
    ? keysOf.get(group.keyOf)!
    : await seedKeys(owners, { ...resources, tier });
  keysOf.set(group, keys);
  const shown = kind === 'keys' ? keys : await seedAgents(keys, { ...resources, count: perUser });
  return shown.map(({ ownerId, ...key }) => ({ ...key, userId: ownerId, sessionId: '' }));
}

/** First one session of each user, then another one of each. */
async function createSessions(
  group: AccountGroup,
  resources: AccountResources,
): Promise<readonly Credential[]> {
  const { ending, perUser } = group;
  const users = Array.from({ length: perUser }, () => usersOf(group)).flat();
  const sessions = await seedSessions(users, { ...resources, ...(ending ? { ending } : {}) });
  return sessions.map(({ userId, sessionId, token, endsAtMs }) => ({
    userId,
    token,
    subject: sessionId,
    sessionId,
    keyId: '',
    slot: 0,
    ...(ending?.by === 'absolute' || ending?.dormant ? { endsAtMs } : {}),
  }));
}

async function buildAccounts(
  group: AccountGroup,
  index: number,
  given: AccountResources & { credentials: readonly Credential[]; administrator: string },
): Promise<readonly Account[]> {
  const { credentials, administrator, db, random } = given;
  const { name, ipv6, forged, ending } = group;
  const addresses = group.addresses ?? credentials.length;
  const victims = usersOf(group.victims ?? group);
  const projects = await readNewestProjects(db, usersOf(group));
  return Array.from({ length: Math.max(credentials.length, addresses) }, (_, n) => {
    const credential = credentials[n % credentials.length]!;
    const { userId, subject, token, sessionId, keyId, slot, endsAtMs } = credential;
    const address = clientAddress(index, n % addresses, n, ipv6);
    const forwardedFor = forged ? `${forgedAddress(n)}, ${address}` : address;
    return {
      id: userId,
      subject,
      group: name,
      headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': forwardedFor },
      vars: {
        ...userVars(userId, projects),
        session: sessionId,
        key: keyId,
        agent: String(slot),
        address,
        forwardedFor,
        victim: seedEmail(Number(victims[n % victims.length])),
        forged: sessionId === '' ? '' : withOtherSecret(token, random),
        administrator,
      },
      ...(endsAtMs === undefined ? {} : { endsAtMs }),
      ...(ending?.dormant ? { dormant: true } : {}),
    };
  });
}

/** The vars that depend on the user alone. */
export const userVars = (userId: string, projects: ReadonlyMap<string, string>) => ({
  id: userId,
  project: projects.get(userId) ?? '',
  email: seedEmail(Number(userId)),
  password: SEED_PASSWORD,
  newPassword: `${SEED_PASSWORD}, changed`,
});

/** By owner. */
export async function readNewestProjects(
  db: Database,
  owners: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const projects = await db.query<{ owner: string; id: string }>({
    text: `SELECT DISTINCT ON (owner_id) owner_id AS owner, id FROM projects
            WHERE owner_id = ANY($1::bigint[]) ORDER BY owner_id, id DESC`,
    values: [owners],
  });
  return new Map(projects.map(({ owner, id }) => [owner, id]));
}
