/** A connection of the harness to a PostgreSQL server, for one piece of work with time limits. */
import pg from 'pg';

/** Runs `work` on a new connection and closes it. Connecting and each query take at most `limitMs`. */
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
