/**
 * What a PostgreSQL of the operator's must offer, found out without a write. A run asks before it creates anything, and
 * `platform doctor` asks the same. The data is kept apart by a schema in the sessions' search_path, so the sessions must
 * keep their settings, which a pooler in transaction mode does not do.
 */
import pg from 'pg';
import { choosePostgresHost } from '../../addresses/choose-host.ts';
import { withPostgres } from '../postgres-client.ts';
import { withSearchPath } from '../search-path.ts';
import { explainServerFailure, type ServerProblem, unusableServer } from './server-address.ts';

export const CONNECT_LIMIT_MS = 5_000;
/** The oldest that the PostgreSQL project maintains. */
const OLDEST_VERSION = 140_000;
/** A pooler hands a second client the connection of the first when both are idle. */
const SESSIONS = 3;
const ROUNDS = 2;
/** For the services, the steps that build the data, and the observer. */
const NEEDED_CONNECTIONS = 20;
const NO_POOLER = 'DATABASE_URL=<the address of the server, not of its pooler> platform doctor';
const WRITABLE = 'DATABASE_URL=<a server that takes writes> platform doctor';

export interface PostgresFacts {
  readonly version: string;
  readonly versionNumber: number;
  readonly user: string;
  readonly database: string;
  readonly isStandby: boolean;
  readonly isReadOnly: boolean;
  readonly mayCreateSchema: boolean;
  /** That the role may still open. */
  readonly freeConnections: number;
  /** A schema of the run's name, which the run would remove at its end. */
  readonly hasSchema: boolean;
}

const FACTS = `
  SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
         current_setting('server_version_num')::int AS "versionNumber",
         current_user AS "user", current_database() AS database,
         pg_is_in_recovery() AS "isStandby",
         current_setting('transaction_read_only') = 'on' AS "isReadOnly",
         has_database_privilege(current_database(), 'CREATE') AS "mayCreateSchema",
         least(
           current_setting('max_connections')::int - (SELECT count(*) FROM pg_stat_activity),
           CASE WHEN r.rolconnlimit >= 0
                THEN r.rolconnlimit - (SELECT count(*) FROM pg_stat_activity WHERE usesysid = r.oid) END,
           CASE WHEN d.datconnlimit >= 0
                THEN d.datconnlimit - (SELECT count(*) FROM pg_stat_activity WHERE datid = d.oid) END
         )::int AS "freeConnections",
         to_regnamespace($1) IS NOT NULL AS "hasSchema"
    FROM pg_roles r, pg_database d
   WHERE r.rolname = current_user AND d.datname = current_database()`;

/** Null when a run can use the server. */
export function postgresProblem(facts: PostgresFacts): ServerProblem | null {
  const { version, user, database } = facts;
  if (facts.versionNumber < OLDEST_VERSION)
    return {
      why: `it is PostgreSQL ${version}, and ${OLDEST_VERSION / 10_000} is the oldest supported`,
    };
  if (facts.isStandby) return { why: 'it is a standby, which takes no writes', next: WRITABLE };
  if (facts.isReadOnly)
    return {
      why: `${user} writes nothing there: default_transaction_read_only is on`,
      next: WRITABLE,
    };
  if (!facts.mayCreateSchema)
    return {
      why: `the role ${user} may not create a schema in the database ${database}`,
      next: `GRANT CREATE ON DATABASE ${pg.escapeIdentifier(database)} TO ${pg.escapeIdentifier(user)}`,
    };
  if (facts.hasSchema)
    return { why: "it has a schema of the name of this run, which is not the run's" };
  if (facts.freeConnections < NEEDED_CONNECTIONS)
    return {
      why: `${Math.max(0, facts.freeConnections)} connections are free there, a run needs ${NEEDED_CONNECTIONS}`,
      next: 'close connections to it, or raise max_connections',
    };
  return null;
}

interface SessionReading {
  readonly searchPath: string;
  readonly mark: string | null;
  readonly pid: number;
}

/** Null when every session kept its search_path, its settings and its backend in every reading. */
export function sessionProblem(
  searchPath: string,
  readings: readonly (readonly SessionReading[])[],
): ServerProblem | null {
  const names = (text: string) => text.split(',').map((name) => name.trim().replaceAll('"', ''));
  const expected = names(searchPath).join();
  for (const [session, rounds] of readings.entries()) {
    const lost = rounds.find((reading) => names(reading.searchPath).join() !== expected);
    if (lost !== undefined)
      return {
        why: `its sessions do not keep their search_path (${searchPath} is ${lost.searchPath} there): a pooler drops it, and the tables would land in another schema`,
        next: NO_POOLER,
      };
    if (rounds.some(({ mark, pid }) => mark !== `${session}` || pid !== rounds[0]?.pid))
      return {
        why: 'its sessions do not keep their settings: a pooler shares them between clients',
        next: NO_POOLER,
      };
  }
  const backends = new Set(readings.map(([first]) => first?.pid));
  if (backends.size < readings.length)
    return { why: 'its sessions share a backend: a pooler is between', next: NO_POOLER };
  return null;
}

async function readSessions(url: string): Promise<SessionReading[][]> {
  const clients: pg.Client[] = [];
  const open = async (depth: number): Promise<SessionReading[][]> => {
    if (depth === SESSIONS) return await readRounds(clients);
    return await withPostgres(url, CONNECT_LIMIT_MS, async (client) => {
      clients.push(client);
      return await open(depth + 1);
    });
  };
  return await open(0);
}

async function readRounds(clients: readonly pg.Client[]): Promise<SessionReading[][]> {
  for (const [session, client] of clients.entries())
    await client.query(`SELECT set_config('platform.session', $1, false)`, [`${session}`]);
  const readings: SessionReading[][] = clients.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [session, client] of clients.entries()) {
      const { rows } = await client.query<SessionReading>(
        `SELECT current_setting('search_path') AS "searchPath",
                current_setting('platform.session', true) AS mark, pg_backend_pid() AS pid`,
      );
      readings[session]!.push(rows[0]!);
    }
  }
  return readings;
}

export interface InspectedAddress {
  /** Of the host that was chosen, for the driver. */
  readonly url: string;
  /** Null when the address names one alone. */
  readonly chosenHost: string | null;
}

/** Throws an EnvironmentError when a run cannot keep its data in `schema` of the server. Writes nothing. */
export async function inspectPostgres(
  address: string,
  schema = `platform_doctor_${process.pid}`,
): Promise<PostgresFacts & InspectedAddress> {
  try {
    const { url, of, name } = await choosePostgresHost(address, CONNECT_LIMIT_MS);
    const sessions = withSearchPath(url, schema);
    const expected = new URL(sessions).searchParams
      .get('options')!
      .replace(/^.*-csearch_path=/, '');
    const facts = await withPostgres(url, CONNECT_LIMIT_MS, async (client) => {
      const { rows } = await client.query<PostgresFacts>(FACTS, [schema]);
      return rows[0]!;
    });
    const problem =
      postgresProblem(facts) ?? sessionProblem(expected, await readSessions(sessions));
    if (problem === null) return { ...facts, url, chosenHost: of === 1 ? null : name };
    throw unusableServer('DATABASE_URL', address, problem);
  } catch (cause) {
    throw explainPooler(address, cause) ?? explainServerFailure('DATABASE_URL', address, cause);
  }
}

/** A pooler may refuse `options` instead of dropping it. */
function explainPooler(address: string, cause: unknown) {
  const { message = '' } = cause as Partial<Error>;
  if (!/unsupported startup parameter/i.test(message)) return null;
  const why = `a pooler refuses the sessions' search_path: ${message}`;
  return unusableServer('DATABASE_URL', address, { why, next: NO_POOLER }, cause);
}

/** Throws unless unqualified names are in `schema` on several sessions at once. */
export async function assertCurrentSchema(address: string, schema: string): Promise<void> {
  const found = await Promise.all(
    Array.from({ length: SESSIONS }, () =>
      withPostgres(withSearchPath(address, schema), CONNECT_LIMIT_MS, async (client) => {
        const { rows } = await client.query<{ name: string | null }>(
          'SELECT current_schema() AS name',
        );
        return rows[0]!.name;
      }),
    ),
  );
  const other = found.find((name) => name !== schema);
  if (other === undefined) return;
  const why = `tables would land in the schema ${other ?? '(none)'} instead of ${schema}`;
  throw unusableServer('DATABASE_URL', address, { why, next: NO_POOLER });
}
