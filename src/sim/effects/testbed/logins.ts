/**
 * Who logs in to a PostgreSQL of the run: the harness as the superuser, jobs and steps as the owner of the data, processes
 * as the roles that their edges name. A role that an edge names owns nothing and is a member of nothing.
 */
import type { EdgeSpec, Topology } from '../../topology.ts';
import type { Address, RunningNode } from './node.ts';
import { type Login, newPassword, scramVerifier, withLogin } from './stores/credentials.ts';
import { withPostgres } from './stores/postgres-client.ts';
import { standbysOf } from './stores/standbys.ts';

export const OWNER_ROLE = 'platform_owner';
const LIMIT_MS = 5_000;

/** The roles of a primary: its standbys have the same. */
export function rolesOf(primary: string, topology: Topology): string[] {
  const servers = [primary, ...standbysOf(primary, topology)];
  const named = topology.edges
    .filter(({ to }) => servers.includes(to))
    .flatMap(({ logins = [] }) => logins);
  return [...new Set(named)].sort();
}

/** The statements that create the roles in an empty database, without passwords, and the owner's schema. */
export function roleStatements(schema: string, roles: readonly string[]): string[] {
  return [
    ...[OWNER_ROLE, ...roles].map((role) => `CREATE ROLE "${role}"`),
    // A temporary table of a caller would stand in the way of the owner's functions.
    'REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC',
    `GRANT CREATE, TEMPORARY ON DATABASE postgres TO ${OWNER_ROLE}`,
    `CREATE SCHEMA ${schema} AUTHORIZATION ${OWNER_ROLE}`,
  ];
}

/** Gives each role a fresh password; `url` is the superuser's. */
export async function openLogins(
  url: string,
  roles: readonly string[],
): Promise<ReadonlyMap<string, Login>> {
  const logins = roles.map((role) => ({ role, password: newPassword() }));
  const statements = logins.map(
    ({ role, password }) => `ALTER ROLE "${role}" LOGIN PASSWORD '${scramVerifier(password)}'`,
  );
  await withPostgres(url, LIMIT_MS, (client) => client.query(statements.join(';')));
  return new Map(logins.map((login) => [login.role, login]));
}

/** A node's address for a job. */
export const ownerAddress = (node: RunningNode): Address => addressAs(node, OWNER_ROLE);

/** A node's address for the process at the source of an edge. */
export function edgeAddress(node: RunningNode, { logins = [] }: EdgeSpec): Address {
  const [first] = logins;
  if (first === undefined) return ownerAddress(node);
  if (node.logins === undefined) return node.address;
  const urls = logins.map((role) => [role, addressAs(node, role).url] as const);
  return { ...addressAs(node, first), logins: Object.fromEntries(urls) };
}

/** The address with another URL for each server. Only PostgreSQL has roles, and it is one server. */
export function mapServers(
  address: Address,
  replace: (url: string, index: number) => string,
): Address {
  const urls = address.urls.map(replace);
  const logins = Object.entries(address.logins ?? {}).map(
    ([role, url]) => [role, replace(url, 0)] as const,
  );
  return {
    url: urls[0]!,
    urls,
    namespace: address.namespace,
    ...(address.logins && { logins: Object.fromEntries(logins) }),
  };
}

/** As the role; the node's own address where a node has no roles. */
function addressAs(node: RunningNode, role: string): Address {
  const login = node.logins?.get(role);
  return login === undefined
    ? node.address
    : mapServers(node.address, (url) => withLogin(url, login));
}
