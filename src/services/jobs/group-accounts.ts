/**
 * The accounts of groups: real sessions, keys and agents of seeded users, and the client address of each. A group has as
 * many accounts as credentials or addresses, whichever are more: account n has the n-th of each, cyclically. So one key
 * is used from many addresses, or many keys from one.
 *
 * `vars` are the same for every kind, so that any template fits: project, email, password, session, key, agent,
 * address, forwardedFor (for requests sent without the account's headers), victim (an email to try logins for).
 */
import type { Redis } from 'ioredis';
import { type SeededKey, seedAgents, seedKeys } from '../api-keys/seed.ts';
import type { SessionsDesign } from '../design.ts';
import type { Clock, Database, Random } from '../ports.ts';
import { writeLimitSettings } from '../rate-limit/settings.ts';
import { policies } from '../rate-limit/settings-policy.ts';
import { SEED_PASSWORD, seedEmail } from '../sessions/seed.ts';
import { seedSessions } from '../sessions/seed-sessions.ts';
import { type AccountGroup, clientAddress, forgedAddress } from './account-groups.ts';

export interface AccountStores {
  readonly db: Database;
  readonly redis: Redis;
  readonly keyPrefix: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** As the load reads it; see the engine's `Account`. */
export interface Account {
  readonly id: string;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly vars: Readonly<Record<string, string>>;
  readonly group?: string;
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
}

type AccountResources = AccountStores & { design: SessionsDesign };

export async function createGroupAccounts(
  groups: readonly AccountGroup[],
  resources: AccountResources,
): Promise<readonly Account[]> {
  const accounts: Account[] = [];
  const keysOf = new Map<AccountGroup, readonly SeededKey[]>();
  for (const [index, group] of groups.entries()) {
    if (group.sharedOrganisation) await shareOrganisation(group, resources.db);
    const credentials = await createCredentials(group, keysOf, resources);
    await writeLimits(group, resources.db);
    accounts.push(...(await buildAccounts(group, index, { credentials, db: resources.db })));
  }
  return accounts;
}

/** Before their credentials are made, which carry the organisation. */
async function shareOrganisation(group: AccountGroup, db: Database): Promise<void> {
  await db.query({
    text: `UPDATE users SET organisation_id = (SELECT organisation_id FROM users WHERE id = $1)
            WHERE id = ANY($2::bigint[])`,
    values: [group.firstUser, usersOf(group)],
  });
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
  if (kind === 'sessions') {
    const sessions = await seedSessions(usersOf(group), resources);
    return sessions.map(({ userId, sessionId, token }) => ({
      userId,
      token,
      subject: sessionId,
      sessionId,
      keyId: '',
      slot: 0,
    }));
  }
  const keysEach = kind === 'keys' ? perUser : 1;
  const owners = usersOf(group).flatMap((user) => Array.from({ length: keysEach }, () => user));
  const keys = group.keyOf
    ? keysOf.get(group.keyOf)!
    : await seedKeys(owners, { ...resources, tier });
  keysOf.set(group, keys);
  const shown = kind === 'keys' ? keys : await seedAgents(keys, { ...resources, count: perUser });
  return shown.map(({ ownerId, ...key }) => ({ ...key, userId: ownerId, sessionId: '' }));
}

async function buildAccounts(
  group: AccountGroup,
  index: number,
  { credentials, db }: { credentials: readonly Credential[]; db: Database },
): Promise<readonly Account[]> {
  const { name, ipv6, forged } = group;
  const addresses = group.addresses ?? credentials.length;
  const victims = usersOf(group.victims ?? group);
  const projects = await readNewestProjects(db, usersOf(group));
  return Array.from({ length: Math.max(credentials.length, addresses) }, (_, n) => {
    const { userId, subject, token, sessionId, keyId, slot } = credentials[n % credentials.length]!;
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
      },
    };
  });
}

/** The vars that depend on the user alone. */
export const userVars = (userId: string, projects: ReadonlyMap<string, string>) => ({
  project: projects.get(userId) ?? '',
  email: seedEmail(Number(userId)),
  password: SEED_PASSWORD,
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
