/**
 * PostgreSQL's own statistics during a phase: statements (pg_stat_statements), wait events of active backends
 * (pg_stat_activity, sampled), blocked locks, and the plan of the most expensive read. Uses one connection; a sample
 * costs about 0.2 ms of database time.
 */
import pg from 'pg';
import {
  openStatementReader,
  type PhaseStatements,
  type StatementSnapshot,
  type StatementStats,
  statementsBetween,
} from './statement-statistics.ts';

const SAMPLE_INTERVAL_MS = 200;

export interface ExplainedPlan {
  readonly query: string;
  readonly text: string;
}

export interface PostgresObservation {
  /** Largest total time first; null when pg_stat_statements is not available, and then why. */
  readonly statements: readonly StatementStats[] | null;
  readonly withoutStatements?: string;
  readonly allStatementsMs: number;
  /** Samples of active client backends by `type:event`, `CPU` when not waiting. */
  readonly waitSamples: Readonly<Record<string, number>>;
  /** `blocked`: samples that found an ungranted lock. */
  readonly lockWaits: { readonly blocked: number; readonly samples: number };
  readonly deadlocks: number;
}

export interface PostgresObserver {
  begin(): Promise<void>;
  end(): Promise<PostgresObservation>;
  /** Runs EXPLAIN (ANALYZE, BUFFERS) of a normalised SELECT in a read-only transaction, `argument` for every $n. */
  explain(query: string, argument: string): Promise<ExplainedPlan | null>;
  close(): Promise<void>;
}

export async function connectPostgresObserver(databaseUrl: string): Promise<PostgresObserver> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'platform-observer',
    connectionTimeoutMillis: 5_000,
    statement_timeout: 20_000,
  });
  // A fault may kill the server under this connection; the next query then fails, not the process.
  client.on('error', () => {});
  await client.connect();
  const reader = await openStatementReader(client);
  const waitSamples: Record<string, number> = {};
  const lockWaits = { blocked: 0, samples: 0 };
  let timer: NodeJS.Timeout | undefined;
  let sampling: Promise<void> = Promise.resolve();
  let deadlocksBefore = 0;
  let statementsBefore: StatementSnapshot | null = null;

  return {
    async begin() {
      for (const event of Object.keys(waitSamples)) delete waitSamples[event];
      lockWaits.blocked = 0;
      lockWaits.samples = 0;
      deadlocksBefore = await countDeadlocks(client);
      if (typeof reader !== 'string') statementsBefore = await reader.read();
      let isSampling = false;
      timer = setInterval(() => {
        if (isSampling) return;
        isSampling = true;
        sampling = sampleWaits(client, waitSamples, lockWaits)
          .catch(() => {}) // a missed sample is one sample less
          .finally(() => {
            isSampling = false;
          });
      }, SAMPLE_INTERVAL_MS);
    },
    async end() {
      clearInterval(timer);
      await sampling;
      const deadlocks = (await countDeadlocks(client)) - deadlocksBefore;
      const counted: PhaseStatements =
        typeof reader === 'string' || statementsBefore === null
          ? { statements: null, why: String(reader) }
          : statementsBetween(statementsBefore, await reader.read());
      const sampled = { waitSamples, lockWaits, deadlocks };
      if (counted.statements !== null) return { ...counted, ...sampled };
      const { why } = counted;
      return { statements: null, withoutStatements: why, allStatementsMs: 0, ...sampled };
    },
    explain: (query, argument) => explain(client, query, argument),
    async close() {
      clearInterval(timer);
      await client.end().catch(() => {}); // the server has ended already
    },
  };
}

async function countDeadlocks(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ deadlocks: string }>(
    'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
  );
  return Number(rows[0]?.deadlocks ?? 0);
}

async function sampleWaits(
  client: pg.Client,
  waitSamples: Record<string, number>,
  lockWaits: { blocked: number; samples: number },
): Promise<void> {
  const { rows } = await client.query<{ event: string; n: number; blocked: number }>({
    name: 'platform-observer-waits',
    text: `SELECT coalesce(wait_event_type || ':' || wait_event, 'CPU') AS event, count(*)::int AS n,
                  (SELECT count(*)::int FROM pg_locks WHERE NOT granted) AS blocked
             FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
            GROUP BY 1`,
  });
  lockWaits.samples += 1;
  if ((rows[0]?.blocked ?? 0) > 0) lockWaits.blocked += 1;
  for (const { event, n } of rows) waitSamples[event] = (waitSamples[event] ?? 0) + n;
}

async function explain(
  client: pg.Client,
  query: string,
  argument: string,
): Promise<ExplainedPlan | null> {
  if (!/^\s*select\b/i.test(query)) return null; // ANALYZE executes: never a statement that writes
  const parameters = new Set(query.match(/\$\d+/g) ?? []).size;
  const literals = Array.from({ length: parameters }, () => pg.escapeLiteral(argument)).join(', ');
  await client.query('BEGIN READ ONLY');
  try {
    await client.query(`PREPARE platform_explained AS ${query}`);
    const call = parameters === 0 ? 'platform_explained' : `platform_explained(${literals})`;
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN (ANALYZE, BUFFERS) EXECUTE ${call}`,
    );
    return { query, text: rows.map((row) => row['QUERY PLAN']).join('\n') };
  } catch {
    return null; // the argument does not fit the statement's types; the report then shows no plan
  } finally {
    await client.query('ROLLBACK').catch(() => {});
    await client.query('DEALLOCATE ALL').catch(() => {});
  }
}
