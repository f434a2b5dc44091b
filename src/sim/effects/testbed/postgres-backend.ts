/** One client's server process inside PostgreSQL: found through pg_stat_activity, for faults that hit a single one. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const LIMIT_MS = 2_000;
/** A statement takes less than a millisecond: a busy backend is seen by asking often. */
const TRIES = 50;

const BACKENDS = `
  SELECT pid, state FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
  ORDER BY state = 'active' DESC, state LIKE 'idle in%' DESC, state_change DESC NULLS LAST
  LIMIT 1`;

export interface Backend {
  readonly pid: number;
  readonly busy: boolean;
}

/** Hands a backend to `strike`: a busy one when one shows up soon, else the one that was busy last. */
export async function withBackend<T>(url: string, strike: (backend: Backend) => T): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: LIMIT_MS,
    query_timeout: LIMIT_MS,
  });
  client.on('error', () => {}); // The strike may take this connection with it.
  await client.connect();
  try {
    for (let left = TRIES; ; left -= 1) {
      const { rows } = await client.query<{ pid: number; state: string }>(BACKENDS);
      const found = rows[0];
      const busy = found !== undefined && found.state !== 'idle';
      if (found && (busy || left === 0)) return strike({ pid: found.pid, busy });
      if (left === 0) throw new Error('no client is connected to PostgreSQL');
      await sleep(5);
    }
  } finally {
    await client.end().catch(() => {});
  }
}
