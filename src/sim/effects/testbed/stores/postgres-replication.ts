/** State, lag and promotion of a standby. */
import { withPostgres } from './postgres-client.ts';
import { waitUntil } from './wait-until.ts';

const LIMIT_MS = 5_000;

export interface Lag {
  /** WAL that the primary has written and the standby has not replayed. */
  readonly bytes: number;
  /**
   * 0 when everything is replayed, else the age of the newest replayed commit. That is an upper bound of the lag: after
   * an idle time of the primary it is larger. Null before the first commit.
   */
  readonly replayUs: number | null;
}

export async function isInRecovery(url: string): Promise<boolean> {
  return await withPostgres(url, LIMIT_MS, async (client) => {
    const { rows } = await client.query('SELECT pg_is_in_recovery() AS standby');
    return Boolean(rows[0].standby);
  });
}

/** True while the server at `url` receives changes from the server on `primaryPort`. */
export async function isStreaming(url: string, primaryPort: number): Promise<true | string> {
  return await withPostgres(url, LIMIT_MS, async (client) => {
    const { rows } = await client.query(
      `SELECT pg_is_in_recovery() AS standby, status, sender_port AS port
         FROM (SELECT) AS one LEFT JOIN pg_stat_wal_receiver ON true`,
    );
    const { standby, status, port } = rows[0];
    if (!standby) return 'it is not a standby';
    if (status !== 'streaming') return `its WAL receiver is ${status ?? 'not connected'}`;
    return port === primaryPort ? true : `it follows the server on port ${port}`;
  });
}

/**
 * Compares with the primary's WAL position or, if the primary does not answer, with the WAL that the standby received.
 */
export async function readLag(standbyUrl: string, primaryUrl: string): Promise<Lag> {
  const writtenLsn = await withPostgres(primaryUrl, LIMIT_MS, async (client) => {
    const { rows } = await client.query('SELECT pg_current_wal_lsn()::text AS lsn');
    return String(rows[0].lsn);
  }).catch(() => null);
  return await withPostgres(standbyUrl, LIMIT_MS, async (client) => {
    const { rows } = await client.query(
      `SELECT greatest(0, pg_wal_lsn_diff(
                coalesce($1::pg_lsn, pg_last_wal_receive_lsn()), pg_last_wal_replay_lsn()))::float8 AS bytes,
              extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS age`,
      [writtenLsn],
    );
    const { bytes, age } = rows[0];
    const replayUs = bytes === 0 ? 0 : age === null ? null : Math.max(0, Math.round(age * 1e6));
    return { bytes, replayUs };
  });
}

/** Sets recovery_min_apply_delay; 0 resets it. */
export async function delayReplay(url: string, delayMs: number): Promise<void> {
  if (!Number.isInteger(delayMs) || delayMs < 0) {
    throw new RangeError(`a replay is delayed by a whole number of milliseconds, not ${delayMs}`);
  }
  await withPostgres(url, LIMIT_MS, async (client) => {
    await client.query(
      delayMs === 0
        ? 'ALTER SYSTEM RESET recovery_min_apply_delay'
        : `ALTER SYSTEM SET recovery_min_apply_delay = '${delayMs}ms'`,
    );
    await client.query('SELECT pg_reload_conf()');
  });
  // The reload is asynchronous: the setting in a new session proves that it happened.
  await waitUntil(
    'the delay of the replay',
    () =>
      withPostgres(url, LIMIT_MS, async (client) => {
        const { rows } = await client.query(
          `SELECT setting FROM pg_settings WHERE name = 'recovery_min_apply_delay'`,
        );
        return Number(rows[0].setting) === delayMs || `it is ${rows[0].setting} ms`;
      }),
    { limitMs: LIMIT_MS },
  );
}

/** Makes a standby a primary; resolves when it takes writes. */
export async function promote(url: string, limitS: number): Promise<void> {
  await withPostgres(url, (limitS + 5) * 1_000, async (client) => {
    const { rows } = await client.query('SELECT pg_promote(true, $1) AS done', [limitS]);
    if (rows[0].done !== true) throw new Error(`the standby is not promoted after ${limitS} s`);
  });
}
