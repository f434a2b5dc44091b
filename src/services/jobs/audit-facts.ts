/**
 * Reads the audit log as recorded facts: each event with its place in the order (xid, id) and its sequence in the chain,
 * and the result of the verifier. It waits up to `sequencerTimeoutMs` for the sequencer, so that the newest events are
 * in the chain.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Heads, readHeads } from '../audit/block-store.ts';
import { eventIdAt, MEMBER_BYTES } from '../audit/chain/block.ts';
import { verifyLog } from '../audit/chain/verify.ts';
import { openCheckpointFile } from '../audit/checkpoint-file.ts';
import { openLogSnapshot } from '../audit/log-source.ts';
import { oldestUnsequencedUs } from '../audit/sequencer/sequence-batch.ts';
import { inferShardCount } from '../audit/shard-count.ts';
import { type Database, isoFromUs } from '../ports.ts';

export interface FactsRequest {
  readonly sinceMs: number;
  readonly requestIdPrefix: string;
}

const PAGE_ROWS = 5_000;
const PAGE_BLOCKS = 50;
const SEQUENCER_TIMEOUT_MS = 5_000;

interface Row {
  readonly id: string;
  readonly user: string;
  readonly requestId: string;
  readonly subject: string | null;
  readonly action: string;
  readonly outcome: string;
  readonly reason: string | null;
  readonly eventId: string;
  readonly isSealed: boolean;
  readonly occurredAtUs: string;
  readonly receivedAtUs: string;
}

export async function* readAuditFacts(db: Database, request: FactsRequest): AsyncIterable<object> {
  const heads = await waitForSequencer(db);
  await db.query({ text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' });
  const chained = heads.size === 0 ? null : await readChainPositions(db, request.sinceMs);
  await db.query({
    text: `DECLARE events NO SCROLL CURSOR FOR
      SELECT id, user_id AS "user", request_id AS "requestId", resource_id AS subject, action, outcome, reason,
             event_id AS "eventId", sealed IS NOT NULL AS "isSealed",
             (extract(epoch FROM occurred_at) * 1000000)::bigint AS "occurredAtUs",
             (extract(epoch FROM received_at) * 1000000)::bigint AS "receivedAtUs"
        FROM audit_logs
       WHERE occurred_at >= to_timestamp($1::float8 / 1000)
         AND request_id NOT LIKE 'seed:%' AND starts_with(request_id, $2)
       ORDER BY xid, id`,
    values: [request.sinceMs, request.requestIdPrefix],
  });
  for (let place = 1; ; ) {
    const rows = await db.query<Row>({ text: `FETCH ${PAGE_ROWS} FROM events` });
    for (const row of rows) yield toFact(row, { place: place++, ...chained?.get(row.eventId) });
    if (rows.length < PAGE_ROWS) break;
  }
  await db.query({ text: 'COMMIT' });
}

const toFact = (row: Row, where: Record<string, number>): object => ({
  name: 'audit',
  id: row.id,
  user: row.user,
  requestId: row.requestId,
  ...(row.subject === null ? {} : { subject: row.subject }),
  occurredAtUs: Number(row.occurredAtUs),
  facts: {
    action: row.action,
    outcome: row.outcome,
    ...(row.reason === null ? {} : { reason: row.reason }),
    receivedAtUs: Number(row.receivedAtUs),
    personal: row.isSealed ? 'sealed' : 'none',
    ...where,
  },
});

/** Empty for a log without a chain, or with more than `verifyUpTo` chained records. */
export async function readChainFacts(
  db: Database,
  request: { stateDirectory: string; verifyUpTo: number },
  /** Tests of the checkers pass a defective verifier. */
  verify: typeof verifyLog = verifyLog,
): Promise<object[]> {
  // An empty list of organisations avoids a query for each; only shards with blocks have heads.
  const heads = await readHeads(db, await inferShardCount(db, []));
  let chained = 0n;
  for (const { firstSequence, records } of heads.values())
    chained += firstSequence + BigInt(records) - 1n;
  if (chained === 0n || chained > BigInt(request.verifyUpTo)) return [];
  const folder = path.join(request.stateDirectory, 'audit');
  const hasState = request.stateDirectory !== '';
  const shards = await inferShardCount(db);
  const source = await openLogSnapshot(db, {
    checkpoints: hasState ? openCheckpointFile(path.join(folder, 'checkpoints.ndjson')) : null,
  });
  const publicKeys = hasState ? await publicKeysIn(folder) : [];
  const found = await verify(source, { publicKeys, shards });
  await source.close();
  const { records, blocks, checkpoints, notSequenced, findingCount, first } = found;
  return [
    {
      name: 'audit-chain',
      id: 'verify',
      requestId: '',
      user: '',
      occurredAtUs: Date.now() * 1_000,
      facts: {
        records,
        blocks,
        checkpoints,
        notSequenced,
        findings: findingCount,
        first: first === null ? '' : `${first.kind}: ${first.detail}`,
      },
    },
  ];
}

async function publicKeysIn(folder: string): Promise<string[]> {
  try {
    return [await readFile(path.join(folder, 'public-key.pem'), 'utf8')];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function waitForSequencer(db: Database): Promise<Heads> {
  const untilMs = performance.now() + SEQUENCER_TIMEOUT_MS;
  for (;;) {
    // Shards without blocks have no head.
    const heads = await readHeads(db, await inferShardCount(db, []));
    const isSettled = heads.size === 0 || (await oldestUnsequencedUs(db, heads)) === null;
    if (isSettled || performance.now() > untilMs) return heads;
    await delay(50);
  }
}

/** Shard and sequence of the events that were chained since then, by event id. */
async function readChainPositions(
  db: Database,
  sinceMs: number,
): Promise<Map<string, { shard: number; sequence: number }>> {
  const found = new Map<string, { shard: number; sequence: number }>();
  await db.query({
    text: `DECLARE blocks NO SCROLL CURSOR FOR
      SELECT shard, first_sequence AS "first", members FROM audit_blocks WHERE sequenced_at >= $1`,
    // A second earlier, because another process dates the blocks.
    values: [isoFromUs((sinceMs - 1_000) * 1_000)],
  });
  for (;;) {
    const blocks = await db.query<{ shard: number; first: string; members: Buffer }>({
      text: `FETCH ${PAGE_BLOCKS} FROM blocks`,
    });
    for (const { shard, first, members } of blocks)
      for (let index = 0; index * MEMBER_BYTES < members.length; index += 1)
        found.set(eventIdAt(members, index), { shard, sequence: Number(first) + index });
    if (blocks.length < PAGE_BLOCKS) break;
  }
  await db.query({ text: 'CLOSE blocks' });
  return found;
}
