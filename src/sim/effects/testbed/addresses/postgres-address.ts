/**
 * DATABASE_URL and `--database`, as libpq reads them: hosts that are names, addresses or folders of sockets, in the
 * address or in its parameters, several of them with `target_session_attrs`. pg knows one host only, so the list is
 * settled here, once, and everything after it has the address of one server.
 */
import {
  type AddressParts,
  AddressProblem,
  type Host,
  limitHosts,
  readAddress,
  readPort,
  writeAddress,
} from './address-text.ts';

export type SessionKind = (typeof SESSION_KINDS)[number];
const SESSION_KINDS = [
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
] as const;

export interface PostgresAddress {
  readonly hosts: readonly Host[];
  /** Which of the hosts will do. */
  readonly session: SessionKind;
  /** The address of one of the hosts, for the driver. */
  urlOf(host: Host): string;
}

/** Parameters that say elsewhere in the address what is said here. */
const FOLDED = ['host', 'port', 'user', 'password', 'dbname', 'target_session_attrs'];
/** Said of the list, which is settled. */
const DROPPED = ['load_balance_hosts', 'hostaddr'];

/** @throws AddressProblem */
export function parsePostgresAddress(given: string): PostgresAddress {
  const parts = readAddress(given);
  if (!['postgres', 'postgresql'].includes(parts.scheme))
    throw new AddressProblem('another scheme');
  const { params } = parts;
  const session = (params.get('target_session_attrs') ?? 'any') as SessionKind;
  if (!SESSION_KINDS.includes(session))
    throw new AddressProblem(`target_session_attrs is none of ${SESSION_KINDS.join(', ')}`);
  const database = params.get('dbname') ?? parts.path;
  // The driver would look for a database of the encoded name.
  if (/[#?/@;,&=+$]/.test(database))
    throw new AddressProblem(
      'the name of its database holds a character that the driver cannot send',
    );
  const kept = [...params].filter(([key]) => ![...FOLDED, ...DROPPED].includes(key));
  return {
    hosts: hostsOf(parts),
    session,
    urlOf: (host) =>
      writeAddress({
        scheme: parts.scheme,
        user: params.get('user') ?? parts.user,
        password: params.get('password') ?? parts.password,
        host,
        path: database === '' ? '' : `/${encodeURI(database)}`,
        params: new Map(kept),
      }),
  };
}

/** Hosts and ports of the parameters replace those of the address; one port may be that of all hosts. */
function hostsOf({ hosts, params }: AddressParts): readonly Host[] {
  const names = params.get('host')?.split(',') ?? hosts.map(({ host }) => host);
  const ports = params.get('port')?.split(',').map(readPort) ?? hosts.map(({ port }) => port);
  if (names.length === 0) names.push('');
  if (ports.length > 1 && ports.length !== names.length)
    throw new AddressProblem(`it names ${names.length} hosts and ${ports.length} ports`);
  const listed = names.map((name, index) => ({
    // libpq would look for a socket in the folder it was compiled with; pg, at the host of a variable.
    host: name === '' ? 'localhost' : name,
    port: (ports.length === 1 ? ports[0] : ports[index]) ?? null,
  }));
  return limitHosts(listed);
}

export const isSocketFolder = ({ host }: Host): boolean => host.startsWith('/');
