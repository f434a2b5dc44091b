/**
 * What an event on record costs in bytes: of WAL, of the table and of each index, for every set of indexes a design
 * may choose, and what the chain adds to each event and each block. The gateway's own insert fills empty logs; events
 * are alike, in the order they happen, of 1,000 users in 200 organisations.
 *
 * WAL is counted three times: without page images, by 50 events in a commit and by one; and with the images that the
 * first touch of each page after a checkpoint costs, one checkpoint in all these events.
 *
 * Bounds: every event is in every log, each index that is asked for is paid for, and the chain of full blocks takes at
 * most 1.25 times what it stores of an event (56 bytes: its id, its time, its leaf).
 */
import { readHeads } from '../dist/services/audit/block-store.js';
import { MEMBER_BYTES } from '../dist/services/audit/chain/block.js';
import { forceIndexScans, sequenceBatch } from '../dist/services/audit/sequencer/sequence-batch.js';
import { seededRandom } from '../dist/services/rate-limit/comparison/seeded-random.js';
import { grouped, makeAuditBed, wallClock } from './audit-bed.mjs';
import { makeEvent, openInsert } from './audit-writes.mjs';

export const title = 'bytes of WAL, table and index for an event, and what the chain adds';

const USERS = 1_000;
const BATCH = 50;
const SHARDS = 8;
const MAX_CHAIN_RATIO = 1.25;

/**
 * @typedef {import('./audit-bed.mjs').AuditBed} AuditBed
 * @typedef {import('./audit-bed.mjs').Connection} Connection
 * @typedef {'tenant' | 'actor'} IndexName
 * @typedef {{ name: string, rows: number, walAlone: number, wal: number, walWithImages: number, table: number,
 *   indexes: Record<string, number> }} Cost
 * @typedef {{ recordsPerBlock: number, blocks: number, wal: number, stored: number }} ChainCost
 */

/** @type {{ name: string, indexes: IndexName[], also: string | null }[]} */
const SETS = [
  { name: 'key', indexes: [], also: 'DROP INDEX audit_logs_order' },
  { name: '+ order', indexes: [], also: null },
  { name: '+ tenant', indexes: ['tenant'], also: null },
  { name: '+ actor', indexes: ['tenant', 'actor'], also: null },
  {
    name: 'or BRIN',
    indexes: [],
    also: 'CREATE INDEX audit_logs_brin ON audit_logs USING brin (occurred_at)',
  },
];

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const events = quick ? 6_000 : 60_000;
  const bed = await makeAuditBed('audit-cost', { checkpoint_timeout: '1h' });
  try {
    /** @type {Cost[]} */
    const costs = [];
    for (const [at, set] of SETS.entries())
      costs.push(await costOf(bed, { ...set, schema: `set_${at}`, events }));
    await setImages(bed, 'off');
    const db = await bed.connect('set_1');
    await forceIndexScans(db);
    /** @type {ChainCost[]} */
    const chain = [];
    for (const maxRecords of [SHARDS, 100, 5_000])
      chain.push(await chainCost(db, maxRecords, events / 2));
    return judge({ events, costs, chain });
  } finally {
    await bed.remove();
  }
}

/**
 * @param {AuditBed} bed
 * @param {(typeof SETS)[number] & { schema: string, events: number }} given
 * @returns {Promise<Cost>}
 */
async function costOf(bed, { name, schema, indexes, also, events }) {
  await bed.seed(schema, {
    rows: 0,
    users: 10,
    storage: { kind: 'monthly', liveDays: 400, indexes },
  });
  const db = await bed.connect(schema);
  if (also !== null) await db.query({ text: also });
  const insert = openInsert(db);
  const random = seededRandom(11);
  const write = async (/** @type {number} */ count, /** @type {number} */ batch) => {
    const from = await walEnd(db);
    for (let done = 0; done < count; done += batch)
      await insert.many(Array.from({ length: batch }, () => makeEvent(USERS, random)));
    return ((await walEnd(db)) - from) / count;
  };
  const empty = await sizes(db);
  await setImages(bed, 'off');
  await write(2_000, BATCH); // The keys of the users are made.
  const alone = Math.ceil(events / 20);
  const walAlone = await write(alone, 1);
  const wal = await write(events, BATCH);
  const { table, indexes: own } = await sizes(db);
  const rows = 2_000 + alone + events;
  const perRow = (/** @type {number} */ full, /** @type {number} */ before) =>
    (full - before) / rows;
  const cost = {
    ...{ name, walAlone, wal, table: perRow(table, empty.table) },
    indexes: Object.fromEntries(
      Object.entries(own).map(([index, bytes]) => [
        index,
        perRow(bytes, empty.indexes[index] ?? 0),
      ]),
    ),
  };
  await setImages(bed, 'on');
  await bed.admin.query({ text: 'CHECKPOINT' });
  const walWithImages = await write(events, BATCH);
  const counted = await db.query({ text: 'SELECT count(*)::int AS rows FROM audit_logs' });
  const found = /** @type {{ rows: number }} */ (counted[0]).rows;
  if (found !== rows + events) throw new Error(`${name}: ${found} of ${rows + events} events`);
  return { ...cost, rows: found, walWithImages };
}

/** @param {AuditBed} bed @param {'on' | 'off'} images */
async function setImages(bed, images) {
  await bed.admin.query({ text: `ALTER SYSTEM SET full_page_writes = ${images}` });
  await bed.admin.query({ text: 'SELECT pg_reload_conf()' });
  const asked = performance.now();
  for (;;) {
    const [row] = await bed.admin.query({ text: 'SHOW full_page_writes' });
    if (/** @type {{ full_page_writes: string }} */ (row).full_page_writes === images) break;
    if (performance.now() - asked > 5_000) throw new Error('PostgreSQL keeps its page images');
  }
}

/** @param {Connection} db */
async function walEnd(db) {
  const rows = await db.query({
    text: `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS at`,
  });
  return Number(/** @type {{ at: string }} */ (rows[0]).at);
}

/**
 * Of the live log, all months together.
 * @param {Connection} db
 */
async function sizes(db) {
  const rows = await db.query({
    text: `SELECT parent.relname AS name, parent.relkind AS kind, sum(pg_table_size(inhrelid))::bigint AS bytes
             FROM pg_inherits JOIN pg_class AS parent ON parent.oid = inhparent
            WHERE parent.relnamespace = current_schema()::regnamespace AND parent.relname LIKE 'audit_logs%'
            GROUP BY 1, 2`,
  });
  const found = /** @type {{ name: string, kind: string, bytes: string }[]} */ (rows);
  return {
    table: Number(found.find(({ kind }) => kind === 'p')?.bytes ?? 0),
    indexes: Object.fromEntries(
      found.flatMap(({ name, kind, bytes }) =>
        kind === 'I' ? [[name.replace('audit_logs_', ''), Number(bytes)]] : [],
      ),
    ),
  };
}

/**
 * @param {Connection} db
 * @param {number} maxRecords
 * @param {number} records chained in batches of this size, or as many as are left
 * @returns {Promise<ChainCost>}
 */
async function chainCost(db, maxRecords, records) {
  const stored = async () => {
    const rows = await db.query({
      text: `SELECT count(*)::int AS blocks, coalesce(sum(records), 0)::int AS records,
                    pg_total_relation_size('audit_blocks') AS bytes FROM audit_blocks`,
    });
    const { bytes, ...rest } = /** @type {any} */ (rows[0]);
    return { ...rest, bytes: Number(bytes) };
  };
  const options = { shards: SHARDS, maxRecords };
  const [before, from] = [await stored(), await walEnd(db)];
  let heads = await readHeads(db, SHARDS);
  const want = maxRecords === SHARDS ? records / 10 : records;
  for (let done = 0; done < want; ) {
    const batch = await sequenceBatch(db, { heads, options, nowUs: wallClock.nowUs() });
    if (batch.heads === null) throw new Error('somebody else chains this log');
    heads = batch.heads;
    done += batch.records;
    if (batch.records < maxRecords) break;
  }
  const [after, to] = [await stored(), await walEnd(db)];
  const [blocks, chained] = [after.blocks - before.blocks, after.records - before.records];
  return {
    recordsPerBlock: chained / blocks,
    blocks,
    wal: (to - from) / chained,
    stored: (after.bytes - before.bytes) / chained,
  };
}

/** @param {{ events: number, costs: Cost[], chain: ChainCost[] }} measured */
function judge({ events, costs, chain }) {
  const [small, full] = [chain[0], chain.at(-1)];
  if (small === undefined || full === undefined) throw new Error('nothing was chained');
  // Bytes of an event are the same in every block; what is left is the block's own, shared by its records.
  const perBlock = (/** @type {'wal' | 'stored'} */ key) =>
    (small[key] - full[key]) / (1 / small.recordsPerBlock - 1 / full.recordsPerBlock);
  const names = ['pkey', 'order', 'tenant', 'actor', 'brin'];
  const paid = costs.every(({ indexes }) => Object.values(indexes).every((bytes) => bytes >= 0));
  const grows = costs.slice(1, 4).every(({ wal }, at) => wal > (costs[at]?.wal ?? 0));
  const ok = paid && grows && full.stored <= MAX_CHAIN_RATIO * MEMBER_BYTES;
  const lines = [
    `${grouped(events)} events into each log; bytes for an event`,
    row(['', 'WAL of 1', `WAL of ${BATCH}`, 'with images', 'table', ...names]),
    ...costs.map(({ name, walAlone, wal, walWithImages, table, indexes }) =>
      row([
        name,
        walAlone,
        wal,
        walWithImages,
        table,
        ...names.map((index) => indexes[index] ?? '-'),
      ]),
    ),
    `the chain, ${SHARDS} shards; bytes for an event`,
    row(['a block of', 'WAL', 'stored']),
    ...chain.map((one) => row([one.recordsPerBlock.toFixed(1), one.wal, one.stored])),
    `a block itself ${perBlock('wal').toFixed(0)} bytes of WAL and ${perBlock('stored').toFixed(0)} stored; full blocks ${(full.stored / MEMBER_BYTES).toFixed(2)} times the ${MEMBER_BYTES} bytes of a member (at most ${MAX_CHAIN_RATIO})`,
  ];
  const block = { wal: perBlock('wal'), stored: perBlock('stored') };
  return { ok, lines, data: { events, costs, chain, block } };
}

const row = (/** @type {(string | number)[]} */ cells) =>
  cells
    .map((cell) => (typeof cell === 'number' ? cell.toFixed(cell < 10 ? 1 : 0) : cell))
    .map((cell, at) => (at === 0 ? cell.padEnd(11) : cell.padStart(12)))
    .join('');
