/**
 * Cumulative work counters of the stores: statements (pg_stat_statements), WAL bytes, Redis commands. The difference of
 * two readings is the work of a phase, which does not depend on the machine's speed. It includes the reader's own
 * statements and commands (under ten).
 */
import { withPostgres } from '../testbed/stores/postgres-client.ts';
import { withRedis } from '../testbed/stores/redis-client.ts';

const LIMIT_MS = 5_000;

export interface PostgresWork {
  /** Null without pg_stat_statements. */
  readonly statements: number | null;
  /** Written, or on a standby received. */
  readonly walBytes: number | null;
  readonly isStandby: boolean;
}

export async function readPostgres(databaseUrl: string): Promise<PostgresWork> {
  return await withPostgres(databaseUrl, LIMIT_MS, async (client) => {
    const wal = await client.query<{ standby: boolean; bytes: string }>(
      `SELECT pg_is_in_recovery() AS standby, pg_wal_lsn_diff(
         CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
              ELSE pg_current_wal_insert_lsn() END, '0/0')::text AS bytes`,
    );
    const calls = await client
      .query<{ calls: string }>(
        `SELECT coalesce(sum(s.calls), 0)::text AS calls FROM pg_stat_statements s
           JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
          WHERE s.query NOT LIKE '%pg_stat_%' AND s.query NOT LIKE '%pg_wal_lsn_diff%'`,
      )
      .catch(() => null); // The extension is not there.
    const { standby, bytes } = wal.rows[0]!;
    return {
      statements: calls === null ? null : Number(calls.rows[0]?.calls),
      walBytes: bytes === null ? null : Number(bytes),
      isStandby: standby,
    };
  });
}

/** Commands a server has run, from its clients and from its primary. */
export async function readRedis(redisUrl: string): Promise<number> {
  return await withRedis(redisUrl, LIMIT_MS, async (redis) => {
    const stats = await redis.info('commandstats');
    const own = /^cmdstat_(?!info|client|hello|psync|replconf|cluster)[^:]+:calls=(\d+)/gm;
    return [...stats.matchAll(own)].reduce((sum, [, calls]) => sum + Number(calls), 0);
  });
}
