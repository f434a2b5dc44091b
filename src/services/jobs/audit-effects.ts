/**
 * The audit log as effects: each event with its place in the order (xid, id), its sequence in the chain and what it
 * says; and the verdict of the verifier. A sequencer that is at work is waited for, a few seconds at most, so that what
 * was just written is not called unchained.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Heads, readHeads } from '../audit/block-store.ts';
import { eventIdAt, memberBytes } from '../audit/chain/block.ts';
import { verifyLog } from '../audit/chain/verify.ts';
import { openCheckpointFile } from '../audit/checkpoint-file.ts';
import { readLog } from '../audit/log-source.ts';
import { waitingSinceUs } from '../audit/look.ts';
import { shardsOfLog } from '../audit/shard-count.ts';
import { type Database, isoFromUs } from '../ports.ts';

export interface EffectsAsked {
  readonly sinceMs: number;
  readonly requestIdPrefix: string;
}

const pageRows = 5_000;
const pageBlocks = 50;
const settleMs = 5_000;

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

export async function* auditEffects(db: Database, asked: EffectsAsked): AsyncIterable<object> {
  const heads = await settledHeads(db);
  await db.query({ text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' });
  const chained = heads.size === 0 ? null : await chainedSince(db, asked.sinceMs);
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
    values: [asked.sinceMs, asked.requestIdPrefix],
  });
  for (let place = 1; ; ) {
    const rows = await db.query<Row>({ text: `FETCH ${pageRows} FROM events` });
    for (const row of rows) yield effectOf(row, { place: place++, ...chained?.get(row.eventId) });
    if (rows.length < pageRows) break;
  }
  await db.query({ text: 'COMMIT' });
}

const effectOf = (row: Row, where: Record<string, number>): object => ({
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

/** Nothing at all for a log without a chain, or with more than it was asked to read. */
export async function chainEffect(
  db: Database,
  asked: { stateDirectory: string; verifyUpTo: number },
  /** For tests of those who judge it: a verifier with a defect. */
  verify: typeof verifyLog = verifyLog,
): Promise<object[]> {
  // Those that have blocks. Which others there are takes a query for every organisation.
  const heads = await readHeads(db, await shardsOfLog(db, []));
  let chained = 0n;
  for (const { firstSequence, records } of heads.values())
    chained += firstSequence + BigInt(records) - 1n;
  if (chained === 0n || chained > BigInt(asked.verifyUpTo)) return [];
  const folder = path.join(asked.stateDirectory, 'audit');
  const hasState = asked.stateDirectory !== '';
  const shards = await shardsOfLog(db);
  const source = await readLog(db, {
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
        ...{ records, blocks, checkpoints, notSequenced, findings: findingCount },
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

async function settledHeads(db: Database): Promise<Heads> {
  const untilMs = performance.now() + settleMs;
  for (;;) {
    // Those that have blocks: the others have no head.
    const heads = await readHeads(db, await shardsOfLog(db, []));
    const isSettled = heads.size === 0 || (await waitingSinceUs(db, heads)) === null;
    if (isSettled || performance.now() > untilMs) return heads;
    await delay(50);
  }
}

/** Where in the chain the events stand that were chained since. */
async function chainedSince(
  db: Database,
  sinceMs: number,
): Promise<Map<string, { shard: number; sequence: number }>> {
  const found = new Map<string, { shard: number; sequence: number }>();
  await db.query({
    text: `DECLARE blocks NO SCROLL CURSOR FOR
      SELECT shard, first_sequence AS "first", members FROM audit_blocks WHERE sequenced_at >= $1`,
    // Blocks are dated by another process.
    values: [isoFromUs((sinceMs - 1_000) * 1_000)],
  });
  for (;;) {
    const blocks = await db.query<{ shard: number; first: string; members: Buffer }>({
      text: `FETCH ${pageBlocks} FROM blocks`,
    });
    for (const { shard, first, members } of blocks)
      for (let index = 0; index * memberBytes < members.length; index += 1)
        found.set(eventIdAt(members, index), { shard, sequence: Number(first) + index });
    if (blocks.length < pageBlocks) break;
  }
  await db.query({ text: 'CLOSE blocks' });
  return found;
}
