/**
 * Connections to PostgreSQL: bounded, with a timeout on every wait, in UTC, timestamps as text, because Date would lose
 * microseconds.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { DatabaseDesign } from '../design.ts';
import { type Database, ServiceError, type TransactionalDatabase } from '../ports.ts';

const TIMESTAMPTZ_OID = 1184;
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === TIMESTAMPTZ_OID
      ? (text: string) => text
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/** The session's time zone belongs to the connection, beside the search_path that is already in the URL. */
function withSessionOptions(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  const options = url.searchParams.get('options') ?? '';
  url.searchParams.set('options', `${options} -c timezone=UTC`.trim());
  return url.toString();
}

/** Requests of this long share one attempt to connect. */
const RECONNECT_PAUSE_MS = 50;

export interface PoolCounts {
  readonly open: number;
  readonly idle: number;
  /** Statements waiting for a connection. */
  readonly waiting: number;
  /** Connections that may be open at one time. */
  readonly max: number;
}

export interface PooledDatabase extends TransactionalDatabase {
  readonly counts: () => PoolCounts;
  close(): Promise<void>;
}

export function openDatabase(options: {
  databaseUrl: string;
  design: DatabaseDesign;
  applicationName: string;
  /** Called with how long each statement waited for a connection. */
  observeWaitSeconds?: (seconds: number) => void;
  /** Called for every connection that breaks, busy or idle. */
  onConnectionError: (error: Error) => void;
}): PooledDatabase {
  const { design, observeWaitSeconds } = options;
  const pool = new pg.Pool({
    connectionString: withSessionOptions(options.databaseUrl),
    max: design.poolMax,
    connectionTimeoutMillis: design.connectionTimeoutMs,
    statement_timeout: design.statementTimeoutMs,
    // The server's own limit does not help when the server, or the way to it, is gone.
    query_timeout: design.statementTimeoutMs + 1_000,
    keepAlive: true,
    application_name: options.applicationName,
    types,
  });
  // Without a listener of its own, a client whose server dies while it is checked out ends the process.
  pool.on('connect', (client) => client.on('error', options.onConnectionError));
  // Idle clients emit the same errors here again; they were reported above.
  pool.on('error', () => {});

  // A starting server forks a process to refuse each connection. While it refuses, the requests of a pause share one
  // attempt, which is made after they came.
  let isRefused = false;
  let connectAttempt: Promise<void> | null = null;
  const startConnectAttempt = async () => {
    await delay(RECONNECT_PAUSE_MS);
    connectAttempt = null;
    const client = await pool.connect();
    client.release();
  };
  const connect = async (): Promise<pg.PoolClient> => {
    try {
      if (isRefused && pool.idleCount === 0) {
        connectAttempt ??= startConnectAttempt();
        await connectAttempt;
      }
      const client = await pool.connect();
      isRefused = false;
      return client;
    } catch (error) {
      if (!isPoolTimeout(error as Error)) isRefused = true;
      throw error;
    }
  };

  const withClient = async <Result>(work: (client: pg.PoolClient) => Promise<Result>) => {
    const startedMs = performance.now();
    const client = await connect()
      .catch(throwUnavailable)
      .finally(() => observeWaitSeconds?.((performance.now() - startedMs) / 1_000));
    let broken: Error | undefined;
    try {
      return await work(client);
    } catch (error) {
      if (!isConnectionBroken(error as Error)) throw error;
      broken = error as Error;
      throw connectionLostError(broken);
    } finally {
      client.release(broken);
    }
  };

  return {
    query: (statement) => withClient((client) => run(client, statement)),
    transaction: (work) =>
      withClient(async (client) => {
        await client.query('BEGIN');
        try {
          const result = await work({ query: (statement) => run(client, statement) });
          await client.query('COMMIT');
          return result;
        } catch (error) {
          // The error that matters is the first; a broken connection rolls back by itself.
          if (!isConnectionBroken(error as Error)) await client.query('ROLLBACK');
          throw error;
        }
      }),
    counts: () => ({
      open: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
      max: design.poolMax,
    }),
    close: () => pool.end(),
  };
}

/** A failed statement leaves the connection usable; an error of the server's shutdown or of the socket does not. */
const isConnectionBroken = (error: Error): boolean =>
  error instanceof pg.DatabaseError
    ? /^(08|57P)/.test(error.code ?? '')
    : /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET)/.test((error as { code?: string }).code ?? '') ||
      /connection terminated|connection ended|not queryable|query read timeout|client was closed/i.test(
        error.message,
      );

const connectionLostError = (cause: Error): ServiceError =>
  new ServiceError(
    {
      status: 503,
      code: 'database-connection-lost',
      detail: 'The connection to the database was lost; the outcome is not known.',
      headers: { 'retry-after': '1' },
    },
    { cause },
  );

/** One connection as a Database, for work that is one transaction. */
export async function openConnection(
  databaseUrl: string,
): Promise<Database & { close(): Promise<void> }> {
  const client = new pg.Client({
    connectionString: withSessionOptions(databaseUrl),
    connectionTimeoutMillis: 10_000,
    types,
  });
  // If the connection is lost while idle, the next statement fails.
  client.on('error', () => {});
  await client.connect();
  return { query: (statement) => run(client, statement), close: () => client.end() };
}

async function run<Row>(
  client: pg.ClientBase,
  statement: { name?: string; text: string; values?: readonly unknown[] },
): Promise<readonly Row[]> {
  const result = await client.query(statement as pg.QueryConfig);
  // A text with several statements gives one result for each.
  return (Array.isArray(result) ? result.at(-1) : result).rows as Row[];
}

/** All connections were in use, or one was not made in time. */
const isPoolTimeout = (error: Error): boolean => /timeout exceeded/.test(error.message);

function throwUnavailable(cause: Error): never {
  const busy = isPoolTimeout(cause);
  const error = new ServiceError(
    {
      status: 503,
      code: busy ? 'database-busy' : 'database-unavailable',
      detail: busy
        ? 'No database connection became free in time.'
        : 'The database cannot be reached.',
      headers: { 'retry-after': '1' },
    },
    { cause },
  );
  throw error;
}
