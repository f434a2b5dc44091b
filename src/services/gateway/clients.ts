/**
 * Connections to PostgreSQL and Redis as the gateway wants them: bounded, with a limit on every wait, in UTC,
 * microseconds kept (timestamps arrive as text, not as Date).
 */
import { Redis } from 'ioredis';
import pg from 'pg';
import type { DatabaseDesign } from '../design.ts';
import { type Database, ServiceError } from '../ports.ts';

const timestamptzOid = 1184;
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === timestamptzOid
      ? (text: string) => text
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/** The session's time zone belongs to the connection, beside the search_path that is already in the URL. */
function inUtc(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  const options = url.searchParams.get('options') ?? '';
  url.searchParams.set('options', `${options} -c timezone=UTC`.trim());
  return url.toString();
}

export interface PooledDatabase extends Database {
  readonly waiting: () => number;
  close(): Promise<void>;
}

export function openDatabase(given: {
  databaseUrl: string;
  design: DatabaseDesign;
  applicationName: string;
  /** Told how long each statement waited for a connection. */
  observeWaitSeconds?: (seconds: number) => void;
  /** Told about connections that break, busy or idle. */
  onConnectionError: (error: Error) => void;
}): PooledDatabase {
  const { design, observeWaitSeconds } = given;
  const pool = new pg.Pool({
    connectionString: inUtc(given.databaseUrl),
    max: design.poolMax,
    connectionTimeoutMillis: design.connectionTimeoutMs,
    statement_timeout: design.statementTimeoutMs,
    application_name: given.applicationName,
    types,
  });
  // Without a listener of its own, a client whose server dies while it is checked out ends the process.
  pool.on('connect', (client) => client.on('error', given.onConnectionError));
  // The same errors again, for clients that were idle; already told.
  pool.on('error', () => {});

  return {
    async query<Row>(statement: { name?: string; text: string; values?: readonly unknown[] }) {
      const startedMs = performance.now();
      const client = await pool
        .connect()
        .catch(unreachable)
        .finally(() => observeWaitSeconds?.((performance.now() - startedMs) / 1_000));
      let failure: Error | undefined;
      try {
        return await run<Row>(client, statement);
      } catch (error) {
        failure = error as Error;
        throw error;
      } finally {
        client.release(failure && breaksConnection(failure) ? failure : undefined);
      }
    },
    waiting: () => pool.waitingCount,
    close: () => pool.end(),
  };
}

/** A refused statement leaves the connection usable; anything else must not go back to the pool. */
const breaksConnection = (error: Error): boolean =>
  !(error instanceof pg.DatabaseError) || /^(08|57P)/.test(error.code ?? '');

/** One connection as a Database, for work that is one transaction. */
export async function openConnection(
  databaseUrl: string,
): Promise<Database & { close(): Promise<void> }> {
  const client = new pg.Client({
    connectionString: inUtc(databaseUrl),
    connectionTimeoutMillis: 10_000,
    types,
  });
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

function unreachable(cause: Error): never {
  const busy = /timeout exceeded/.test(cause.message);
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

export function openRedis(redisUrl: string, onError: (error: Error) => void): Redis {
  // An empty address would be localhost:6379, whoever listens there.
  if (redisUrl === '') throw new Error('redisUrl is empty, and this process needs Redis');
  const redis = new Redis(redisUrl, {
    // Commands issued in one turn of the event loop travel together.
    enableAutoPipelining: true,
    maxRetriesPerRequest: 1,
    commandTimeout: 2_000,
    connectTimeout: 5_000,
    retryStrategy: (attempt) => Math.min(attempt * 50, 1_000),
  });
  redis.on('error', onError);
  return redis;
}
