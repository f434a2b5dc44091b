/**
 * One-shot: the facts that the platform itself recorded since `sinceMs`, one NDJSON line each, to `outFile`:
 * `audit` (an event, with its place in the log and in the chain), `account` (of those events), `session-created`,
 * `session-rotated`, `session-revoked`, `session-refused`, `session-seeded` (a session that the accounts job made long
 * ago, and which timeout is near), `project` (made since), and `audit-chain`: the verifier's result for the whole log,
 * where it has a chain and at most `verifyUpTo` records (250,000). Read in pages, so memory does not grow with the rows.
 * Seeded rows carry request ids `seed:...` and are left out. A fact names its request by the id that the client sent, which
 * correlates it with an operation; requestIdPrefix narrows it to one run's requests.
 */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openConnection } from '../gateway/clients.ts';
import { readParams } from '../gateway/process-config.ts';
import type { Database } from '../ports.ts';
import { CAUSE, type FactsRequest, readAuditFacts, readChainFacts } from './audit-facts.ts';
import { runOneShot } from './one-shot.ts';

type Row = Readonly<Record<string, unknown>> & { readonly occurredAtUs: string };

const BATCH_ROWS = 5_000;

const SESSIONS_SQL = `
  SELECT 'session-' || event AS name, id, coalesce(user_id::text, '') AS "user", ${CAUSE} AS "requestId",
         session_id AS subject, reason, (extract(epoch FROM at) * 1000000)::bigint AS "occurredAtUs"
    FROM session_events
   WHERE at >= to_timestamp($1::float8 / 1000) AND starts_with(${CAUSE}, $2)
   ORDER BY at, id`;

const SEEDED_SESSIONS_SQL = `
  SELECT 'session-seeded' AS name, id, user_id::text AS "user", request_id AS "requestId", session_id AS subject,
         json_build_object('ending', reason) AS facts, (extract(epoch FROM at) * 1000000)::bigint AS "occurredAtUs"
    FROM session_events WHERE request_id = 'seed:session' ORDER BY id`;

const PROJECTS_SQL = `
  SELECT 'project' AS name, id, owner_id AS "user", '' AS "requestId",
         (extract(epoch FROM created_at) * 1000000)::bigint AS "occurredAtUs"
    FROM projects WHERE created_at >= to_timestamp($1::float8 / 1000) ORDER BY id`;

async function* readRows(db: Database, text: string, values: readonly unknown[]) {
  await db.query({ text: 'BEGIN READ ONLY' });
  await db.query({ text: `DECLARE effects NO SCROLL CURSOR FOR ${text}`, values });
  for (;;) {
    const rows = await db.query<Row>({ text: `FETCH ${BATCH_ROWS} FROM effects` });
    yield* rows;
    if (rows.length < BATCH_ROWS) break;
  }
  await db.query({ text: 'COMMIT' });
}

const toFact = ({ occurredAtUs, subject, ...row }: Row): object => ({
  ...row,
  ...(subject ? { subject } : {}),
  occurredAtUs: Number(occurredAtUs),
});

async function* readFacts(
  db: Database,
  options: FactsRequest & { verifyUpTo: number },
): AsyncIterable<object> {
  yield* readAuditFacts(db, options);
  const { sinceMs, requestIdPrefix } = options;
  for await (const row of readRows(db, SESSIONS_SQL, [sinceMs, requestIdPrefix])) yield toFact(row);
  for await (const row of readRows(db, SEEDED_SESSIONS_SQL, [])) yield toFact(row);
  for await (const row of readRows(db, PROJECTS_SQL, [sinceMs])) yield toFact(row);
  yield* await readChainFacts(db, options);
}

async function* toNdjson(found: AsyncIterable<object>) {
  let page: string[] = [];
  for await (const effect of found) {
    page.push(JSON.stringify({ kind: 'effect', ...effect }));
    if (page.length < BATCH_ROWS) continue;
    yield `${page.join('\n')}\n`;
    page = [];
  }
  if (page.length > 0) yield `${page.join('\n')}\n`;
}

await runOneShot(async ({ databaseUrl, stateDirectory, params: rawParams }) => {
  const params = readParams(rawParams, 'params');
  const outFile = params.string('outFile');
  const options = {
    sinceMs: params.integer('sinceMs'),
    requestIdPrefix: params.string('requestIdPrefix', ''),
    verifyUpTo: params.integer('verifyUpTo', 250_000),
    stateDirectory,
  };
  const db = await openConnection(databaseUrl);
  try {
    await pipeline(Readable.from(toNdjson(readFacts(db, options))), createWriteStream(outFile));
  } finally {
    await db.close();
  }
});
