/**
 * Statement statistics of a phase: pg_stat_statements read before and after it, and subtracted. It is never reset: on the
 * operator's server others read it too.
 */
import type pg from 'pg';

const QUERY_LIMIT = 8;
const NO_RIGHT = 'the role may not read the statements there (GRANT pg_read_all_stats allows it)';

export interface StatementStats {
  readonly query: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly rows: number;
}

interface Row {
  readonly key: string;
  readonly query: string | null;
  readonly calls: number;
  readonly totalMs: number;
  readonly rows: number;
}

export type StatementSnapshot = ReadonlyMap<string, Row>;

/** Reads the statements of this database. */
export interface StatementReader {
  read(): Promise<StatementSnapshot>;
}

export type PhaseStatements =
  | { readonly statements: readonly StatementStats[]; readonly allStatementsMs: number }
  | { readonly statements: null; readonly why: string };

/** The reader, or why there is none: the extension is missing, not loaded, too old, or its view may not be read. */
export async function openStatementReader(client: pg.Client): Promise<StatementReader | string> {
  try {
    const { rows } = await client.query<{ schema: string }>(
      `SELECT extnamespace::regnamespace::text AS schema FROM pg_extension
        WHERE extname = 'pg_stat_statements'`,
    );
    const schema = rows[0]?.schema;
    if (schema === undefined) return 'the extension pg_stat_statements is not in this database';
    const reader = { read: () => readSnapshot(client, `${schema}.pg_stat_statements`) };
    await reader.read();
    return reader;
  } catch (error) {
    return `pg_stat_statements cannot be read: ${(error as Error).message}`;
  }
}

/** By role, statement and level; the observer's own statements are left out. */
async function readSnapshot(client: pg.Client, view: string): Promise<StatementSnapshot> {
  const { rows } = await client.query<Row>(
    `SELECT concat_ws(' ', s.userid, s.queryid, s.toplevel) AS key, s.query,
            s.calls::float8 AS calls, s.total_exec_time + s.total_plan_time AS "totalMs",
            s.rows::float8 AS rows
       FROM ${view} s
      WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND s.query NOT LIKE '%pg_stat_%' AND s.query NOT LIKE '%pg_locks%'`,
  );
  return new Map(rows.map((row) => [row.key, row]));
}

/** What a role may not see of others, all under one key. Other applications of the operator's run such statements, too. */
const isHidden = ({ query }: Row): boolean => query === '<insufficient privilege>';

export function statementsBetween(
  before: StatementSnapshot,
  after: StatementSnapshot,
): PhaseStatements {
  const all = [...after.values()];
  const grown = all
    .filter((row) => !isHidden(row))
    .flatMap((row) => {
      const earlier = before.get(row.key);
      // Fewer calls than before: the statistics were reset by another reader, or the statement was evicted, in between.
      const base = earlier === undefined || earlier.calls > row.calls ? null : earlier;
      const calls = row.calls - (base?.calls ?? 0);
      if (calls <= 0) return [];
      const totalMs = row.totalMs - (base?.totalMs ?? 0);
      return [{ query: row.query ?? '', calls, totalMs, rows: row.rows - (base?.rows ?? 0) }];
    });
  if (grown.length === 0 && all.some(isHidden)) return { statements: null, why: NO_RIGHT };
  const allStatementsMs = grown.reduce((sum, { totalMs }) => sum + totalMs, 0);
  const statements = grown
    .sort((a, b) => b.totalMs - a.totalMs)
    .slice(0, QUERY_LIMIT)
    .map((one) => ({ ...one, query: one.query.replace(/\s+/g, ' ').trim() }));
  return { statements, allStatementsMs };
}
