/**
 * Reads the audit log as recorded facts: each event with all its fields, personal ones opened, its place in the order
 * (xid, id) and its sequence in the chain; the organisation of each account in it; and the result of the verifier. It
 * waits up to `sequencerTimeoutMs` for the sequencer, so that the newest events are in the chain.
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
import { createPersonalOpener } from './open-personal.ts';

export interface FactsRequest {
  readonly sinceMs: number;
  readonly requestIdPrefix: string;
  /** Of the platform, with the keys of personal fields; empty: they are unreadable. */
  readonly stateDirectory: string;
}

/** The request as its sender knows it, also when no answer told it our id; ours where it named none. */
export const CAUSE = 'coalesce(client_request_id, request_id)';
const PAGE_ROWS = 5_000;
const PAGE_BLOCKS = 50;
const SEQUENCER_TIMEOUT_MS = 5_000;

interface Row {
  readonly id: string;
  readonly user: string;
  readonly organisation: string;
  readonly session: string | null;
  readonly key: string | null;
  readonly agent: number | null;
  readonly requestId: string;
  readonly resourceType: string;
  readonly subject: string | null;
  readonly action: string;
  readonly outcome: string;
  readonly reason: string | null;
  readonly region: string;
  readonly service: string;
  readonly change: string | null;
  readonly eventId: string;
  readonly sealed: Buffer | null;
  readonly occurredAtUs: string;
  readonly receivedAtUs: string;
}

export async function* readAuditFacts(db: Database, request: FactsRequest): AsyncIterable<object> {
  const heads = await waitForSequencer(db);
  await db.query({ text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' });
  const chained = heads.size === 0 ? null : await readChainPositions(db, request.sinceMs);
  await db.query({
    text: `DECLARE events NO SCROLL CURSOR FOR
      SELECT id, user_id AS "user", organisation_id AS organisation, session_hash AS session, key_id AS key, agent,
             ${CAUSE} AS "requestId", resource_type AS "resourceType", resource_id AS subject, action, outcome,
             reason, region, service, change, event_id AS "eventId", sealed,
             (extract(epoch FROM occurred_at) * 1000000)::bigint AS "occurredAtUs",
             (extract(epoch FROM received_at) * 1000000)::bigint AS "receivedAtUs"
        FROM audit_logs
       WHERE occurred_at >= to_timestamp($1::float8 / 1000)
         AND request_id NOT LIKE 'seed:%' AND starts_with(${CAUSE}, $2)
       ORDER BY xid, id`,
    values: [request.sinceMs, request.requestIdPrefix],
  });
  const openFieldsOf = createPersonalOpener(db, request.stateDirectory);
  const users = new Set<string>();
  for (let place = 1; ; ) {
    const rows = await db.query<Row>({ text: `FETCH ${PAGE_ROWS} FROM events` });
    const open = await openFieldsOf(rows);
    for (const row of rows) {
      users.add(row.user);
      yield toFact(row, { ...open(row), place: place++, ...chained?.get(row.eventId) });
    }
    if (rows.length < PAGE_ROWS) break;
  }
  yield* await readAccountFacts(db, [...users]);
  await db.query({ text: 'COMMIT' });
}

/** The organisation of each account as the accounts themselves have it. */
async function readAccountFacts(db: Database, users: readonly string[]): Promise<object[]> {
  const accounts = await db.query<{ id: string; organisation: string }>({
    text: 'SELECT id, organisation_id AS organisation FROM users WHERE id = ANY($1::bigint[]) ORDER BY id',
    values: [users],
  });
  const occurredAtUs = Date.now() * 1_000;
  return accounts.map(({ id, organisation }) => ({
    name: 'account',
    id,
    user: id,
    requestId: '',
    occurredAtUs,
    facts: { organisation },
  }));
}

/** Denials that are counted together are no action of a request: the number of them is the resource. */
const factNameOf = ({ resourceType }: Row) =>
  resourceType === 'denials' ? 'audit-denials' : 'audit';

/** A field that is null in the record is absent in the fact. */
function toFact(row: Row, more: Readonly<Record<string, string | number>>): object {
  const { session, key, agent, reason, change } = row;
  return {
    name: factNameOf(row),
    id: row.id,
    user: row.user,
    requestId: row.requestId,
    ...(row.subject === null ? {} : { subject: row.subject }),
    occurredAtUs: Number(row.occurredAtUs),
    facts: {
      organisation: row.organisation,
      ...(session === null ? {} : { session }),
      ...(key === null ? {} : { key }),
      ...(agent === null ? {} : { agent }),
      action: row.action,
      resourceType: row.resourceType,
      outcome: row.outcome,
      ...(reason === null ? {} : { reason }),
      region: row.region,
      service: row.service,
      ...(change === null ? {} : { change }),
      receivedAtUs: Number(row.receivedAtUs),
      idMs: timeOfId(row.eventId),
      ...more,
    },
  };
}

/** Unix milliseconds in a UUID of version 7; -1, the time of no event: another version. */
function timeOfId(eventId: string): number {
  if (eventId[14] !== '7') return -1;
  return Number.parseInt(eventId.slice(0, 8) + eventId.slice(9, 13), 16);
}

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
