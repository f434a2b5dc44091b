/**
 * One-shot: what the platform's own records say happened since `sinceMs`, one NDJSON line per fact, to `outFile`:
 * `audit` (an event, with its place in the log and in the chain), `session-created`, `session-rotated`,
 * `session-revoked`, `session-refused`, `project` (made since), and `audit-chain`: what the verifier says of the whole
 * log, where it has a chain and at most `verifyUpTo` records (250,000). Read in pages, so memory does not grow with the
 * rows. Seeded rows carry request ids `seed:...` and are left out; requestIdPrefix narrows it to one run's requests.
 */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openConnection } from '../gateway/clients.ts';
import { readParams } from '../gateway/process-config.ts';
import type { Database } from '../ports.ts';
import { auditEffects, chainEffect, type EffectsAsked } from './audit-effects.ts';
import { runOneShot } from './one-shot.ts';

type Row = Readonly<Record<string, unknown>> & { readonly occurredAtUs: string };

const batchRows = 5_000;

const sessions = `
  SELECT 'session-' || event AS name, id, coalesce(user_id::text, '') AS "user", request_id AS "requestId",
         session_id AS subject, reason, (extract(epoch FROM at) * 1000000)::bigint AS "occurredAtUs"
    FROM session_events
   WHERE at >= to_timestamp($1::float8 / 1000) AND starts_with(request_id, $2)
   ORDER BY at, id`;

const projects = `
  SELECT 'project' AS name, id, owner_id AS "user", '' AS "requestId",
         (extract(epoch FROM created_at) * 1000000)::bigint AS "occurredAtUs"
    FROM projects WHERE created_at >= to_timestamp($1::float8 / 1000) ORDER BY id`;

async function* rowsOf(db: Database, text: string, values: readonly unknown[]) {
  await db.query({ text: 'BEGIN READ ONLY' });
  await db.query({ text: `DECLARE effects NO SCROLL CURSOR FOR ${text}`, values });
  for (;;) {
    const rows = await db.query<Row>({ text: `FETCH ${batchRows} FROM effects` });
    yield* rows;
    if (rows.length < batchRows) break;
  }
  await db.query({ text: 'COMMIT' });
}

const effectOf = ({ occurredAtUs, subject, ...row }: Row): object => ({
  ...row,
  ...(subject ? { subject } : {}),
  occurredAtUs: Number(occurredAtUs),
});

async function* effects(
  db: Database,
  asked: EffectsAsked & { stateDirectory: string; verifyUpTo: number },
): AsyncIterable<object> {
  yield* auditEffects(db, asked);
  const { sinceMs, requestIdPrefix } = asked;
  for await (const row of rowsOf(db, sessions, [sinceMs, requestIdPrefix])) yield effectOf(row);
  for await (const row of rowsOf(db, projects, [sinceMs])) yield effectOf(row);
  yield* await chainEffect(db, asked);
}

async function* lines(found: AsyncIterable<object>) {
  let page: string[] = [];
  for await (const effect of found) {
    page.push(JSON.stringify({ kind: 'effect', ...effect }));
    if (page.length < batchRows) continue;
    yield `${page.join('\n')}\n`;
    page = [];
  }
  if (page.length > 0) yield `${page.join('\n')}\n`;
}

await runOneShot(async ({ databaseUrl, stateDirectory, params: given }) => {
  const params = readParams(given, 'params');
  const outFile = params.string('outFile');
  const asked = {
    sinceMs: params.integer('sinceMs'),
    requestIdPrefix: params.string('requestIdPrefix', ''),
    verifyUpTo: params.integer('verifyUpTo', 250_000),
    stateDirectory,
  };
  const db = await openConnection(databaseUrl);
  try {
    await pipeline(Readable.from(lines(effects(db, asked))), createWriteStream(outFile));
  } finally {
    await db.close();
  }
});
