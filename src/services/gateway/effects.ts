/**
 * One-shot: what the audit log and the life cycle of sessions say happened since `sinceMs`, one NDJSON line per row,
 * to `outFile`: `audit`, and `session-created`, `session-rotated`, `session-revoked`, `session-refused`. Read through a
 * cursor, so memory does not grow with the run. Seeded rows carry request ids `seed:...` and are left out. Param
 * requestIdPrefix narrows it to one run's requests.
 */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Database } from '../ports.ts';
import { openConnection } from './clients.ts';
import { runOneShot } from './one-shot.ts';
import { readParams } from './process-config.ts';

type Row = Readonly<Record<string, unknown>> & { readonly occurredAtUs: string };

const batchRows = 5_000;

const sources = [
  `SELECT 'audit' AS name, id, user_id AS "user", request_id AS "requestId", action, outcome,
          (extract(epoch FROM occurred_at) * 1000000)::bigint AS "occurredAtUs"
     FROM audit_logs
    WHERE occurred_at >= to_timestamp($1::float8 / 1000)
      AND request_id NOT LIKE 'seed:%' AND starts_with(request_id, $2)
    ORDER BY occurred_at, id`,
  `SELECT 'session-' || event AS name, id, coalesce(user_id::text, '') AS "user", request_id AS "requestId",
          session_id AS subject, reason, (extract(epoch FROM at) * 1000000)::bigint AS "occurredAtUs"
     FROM session_events
    WHERE at >= to_timestamp($1::float8 / 1000) AND starts_with(request_id, $2)
    ORDER BY at, id`,
];

async function* effectLines(db: Database, sinceMs: number, requestIdPrefix: string) {
  await db.query({ text: 'BEGIN READ ONLY' });
  for (const [number, source] of sources.entries()) {
    await db.query({
      text: `DECLARE effects${number} NO SCROLL CURSOR FOR ${source}`,
      values: [sinceMs, requestIdPrefix],
    });
    for (;;) {
      const rows = await db.query<Row>({ text: `FETCH ${batchRows} FROM effects${number}` });
      if (rows.length === 0) break;
      yield `${rows.map(toLine).join('\n')}\n`;
    }
  }
  await db.query({ text: 'COMMIT' });
}

const toLine = ({ occurredAtUs, subject, ...row }: Row): string =>
  JSON.stringify({
    kind: 'effect',
    ...row,
    ...(subject ? { subject } : {}),
    occurredAtUs: Number(occurredAtUs),
  });

await runOneShot(async ({ databaseUrl, params: given }) => {
  const params = readParams(given, 'params');
  const outFile = params.string('outFile');
  const sinceMs = params.integer('sinceMs');
  const db = await openConnection(databaseUrl);
  try {
    const lines = effectLines(db, sinceMs, params.string('requestIdPrefix', ''));
    await pipeline(Readable.from(lines), createWriteStream(outFile));
  } finally {
    await db.close();
  }
});
