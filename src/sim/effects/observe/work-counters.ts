/**
 * Work the stores have done so far, as they count it themselves: statements (pg_stat_statements), WAL bytes,
 * Redis commands. Two readings around a phase give the work per operation, which does not depend on how fast
 * the machine happens to be. Its own few statements and commands are part of the difference (under ten).
 */
import { Redis } from 'ioredis';
import pg from 'pg';

const LIMIT_MS = 5_000;

export interface WorkReading {
  /** Statements executed; null without pg_stat_statements. */
  readonly statements: number | null;
  readonly walBytes: number | null;
  readonly redisCommands: number | null;
}

/** A store that cannot be asked leaves its counters null: a cost nobody measured is never judged. */
export async function readWork(stores: {
  readonly databaseUrl: string;
  readonly redisUrl: string;
}): Promise<WorkReading> {
  const [database, redisCommands] = await Promise.all([
    readPostgres(stores.databaseUrl).catch(() => ({ statements: null, walBytes: null })),
    readRedis(stores.redisUrl).catch(() => null),
  ]);
  return { ...database, redisCommands };
}

async function readPostgres(
  databaseUrl: string,
): Promise<Pick<WorkReading, 'statements' | 'walBytes'>> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'platform-observer',
    connectionTimeoutMillis: LIMIT_MS,
    statement_timeout: LIMIT_MS,
  });
  client.on('error', () => {}); // The query below fails; the process must not.
  await client.connect();
  try {
    const wal = await client.query<{ bytes: string }>(
      `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text AS bytes`,
    );
    const calls = await client
      .query<{ calls: string }>(
        `SELECT coalesce(sum(s.calls), 0)::text AS calls FROM pg_stat_statements s
           JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
          WHERE s.query NOT LIKE '%pg_stat_%' AND s.query NOT LIKE '%pg_wal_lsn_diff%'`,
      )
      .catch(() => null); // The extension is not there.
    return {
      statements: calls === null ? null : Number(calls.rows[0]?.calls),
      walBytes: Number(wal.rows[0]?.bytes),
    };
  } finally {
    await client.end().catch(() => {});
  }
}

async function readRedis(redisUrl: string): Promise<number> {
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    connectTimeout: LIMIT_MS,
    commandTimeout: LIMIT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => {}); // The command below fails with it.
  try {
    await redis.connect();
    const stats = await redis.info('commandstats');
    return [...stats.matchAll(/^cmdstat_(?!info|client|hello)[^:]+:calls=(\d+)/gm)].reduce(
      (sum, [, calls]) => sum + Number(calls),
      0,
    );
  } finally {
    redis.disconnect();
  }
}
