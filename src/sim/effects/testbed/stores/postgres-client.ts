/** Runs `work` on one bounded connection of the harness to a PostgreSQL server. */
import pg from 'pg';

/** Connecting and each query take at most `limitMs`. */
export async function withPostgres<T>(
  url: string,
  limitMs: number,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'platform-observer',
    connectionTimeoutMillis: limitMs,
    query_timeout: limitMs,
  });
  client.on('error', () => {}); // A connection lost here also fails the connect or query.
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {}); // A fault may have closed the connection; then `work` has failed already.
  }
}
