/** Settles an address that names several PostgreSQL servers, or that says which kind it wants, on one of them. */
import { withPostgres } from '../stores/postgres-client.ts';
import { type Host, writeHost } from './address-text.ts';
import { parsePostgresAddress, type SessionKind } from './postgres-address.ts';

export interface ChosenHost {
  /** For the driver. */
  readonly url: string;
  /** How many hosts the address named. */
  readonly of: number;
  /** Without user and password. */
  readonly name: string;
}

interface ServerState {
  readonly isStandby: boolean;
  readonly isReadOnly: boolean;
}

/** In the order of preference; the last pass takes what the earlier ones would not. */
const PASSES: Readonly<Record<SessionKind, readonly ((server: ServerState) => boolean)[]>> = {
  any: [() => true],
  'read-write': [({ isReadOnly }) => !isReadOnly],
  'read-only': [({ isReadOnly }) => isReadOnly],
  primary: [({ isStandby }) => !isStandby],
  standby: [({ isStandby }) => isStandby],
  'prefer-standby': [({ isStandby }) => isStandby, () => true],
};

/**
 * One host of which any kind will do is taken without being asked. Of several, each is asked at most once, for at most
 * `limitMs`.
 * @throws AddressProblem, or an Error that says of each host why it will not do.
 */
export async function choosePostgresHost(given: string, limitMs: number): Promise<ChosenHost> {
  const { hosts, session, urlOf } = parsePostgresAddress(given);
  const chosen = (host: Host) => ({ url: urlOf(host), of: hosts.length, name: writeHost(host) });
  if (hosts.length === 1 && session === 'any') return chosen(hosts[0]!);
  const answered: { host: Host; state: ServerState }[] = [];
  const refusals: string[] = [];
  for (const host of hosts) {
    try {
      const state = await readState(urlOf(host), limitMs);
      if (PASSES[session][0]!(state)) return chosen(host);
      answered.push({ host, state });
      refusals.push(`${writeHost(host)} is ${describe(state)}`);
    } catch (error) {
      refusals.push(`${writeHost(host)}: ${reasonOf(error)}`);
    }
  }
  for (const suits of PASSES[session].slice(1)) {
    const found = answered.find(({ state }) => suits(state));
    if (found !== undefined) return chosen(found.host);
  }
  throw new Error(`no host is ${session}: ${refusals.join('; ')}`);
}

async function readState(url: string, limitMs: number): Promise<ServerState> {
  return await withPostgres(url, limitMs, async (client) => {
    const { rows } = await client.query(
      `SELECT pg_is_in_recovery() AS standby,
              current_setting('default_transaction_read_only')::boolean AS read_only`,
    );
    const isStandby = rows[0].standby === true;
    return { isStandby, isReadOnly: isStandby || rows[0].read_only === true };
  });
}

const describe = ({ isStandby, isReadOnly }: ServerState): string =>
  isStandby ? 'a standby' : isReadOnly ? 'read-only' : 'a primary that takes writes';

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ');
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
