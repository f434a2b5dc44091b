/**
 * Does "the last 50 events of an actor" cost the same in a log of 100,000, 1,000,000 and 5,000,000 events? Three logs
 * in one server, asked in turn through the modules the gateway uses: the first page, the page behind it, and the
 * search of an organisation's log for one actor. Plans are read too, so that a lucky time proves nothing.
 *
 * Bounds: p99 of the first page within 20 % of the smallest log's, median of the rounds; every plan walks an index of
 * the question and sorts nothing, and a page of activity opens only the months that hold it; 1,000 concurrent misses of
 * one page are one statement by PostgreSQL's own count, and without the shared load they are more.
 */
import { createOnDemandActivity } from '../dist/services/audit/activity/activity-on-demand.js';
import { createAuditSearch } from '../dist/services/audit/search/search.js';
import { seededRandom } from '../dist/services/rate-limit/comparison/seeded-random.js';
import { grouped, makeAuditBed, median, percentile, wallClock } from './audit-bed.mjs';
import { plansOf } from './audit-plan.mjs';

export const title = 'the last 50 events of an actor as the log grows; a thousand misses';

const PAGE = 50;
const ROWS_PER_USER = 400;
const MAX_RATIO = 1.2;
const MISSES = 1_000;
const PLANS = 20;
const KINDS = /** @type {const} */ (['first', 'later', 'search']);

/**
 * @typedef {import('./audit-bed.mjs').AuditBed} AuditBed
 * @typedef {import('../dist/services/ports.js').Statement} Statement
 * @typedef {(typeof KINDS)[number]} Kind
 * @typedef {Awaited<ReturnType<typeof openLog>>} Log
 * @typedef {{ blocks: number, months: number, faults: string[] }} Planned
 * @typedef {Record<Kind, { p50Us: number, p99Us: number }>} Times
 */

const storage = {
  ...{ kind: /** @type {const} */ ('monthly'), liveDays: 400 },
  indexes: /** @type {('tenant' | 'actor')[]} */ (['tenant', 'actor']),
};

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const sizes = quick ? [100_000, 300_000] : [100_000, 1_000_000, 5_000_000];
  const bed = await makeAuditBed('audit-read', { shared_buffers: '4GB' });
  try {
    const logs = [];
    for (const rows of sizes) logs.push(await openLog(bed, rows));
    const plans = [];
    for (const log of logs) plans.push(await plan(log));
    const pace = quick ? { rounds: 3, asks: 400 } : { rounds: 11, asks: 1_000 };
    const rounds = await alternate(logs, pace);
    const stampede = await stampedes(bed, /** @type {Log} */ (logs.at(-1)), quick ? 3 : 10);
    return judge({ sizes, plans, rounds, stampede, asks: pace.asks });
  } finally {
    await bed.remove();
  }
}

/**
 * @param {AuditBed} bed
 * @param {number} rows
 */
async function openLog(bed, rows) {
  const schema = `log_${rows}`;
  await bed.seed(schema, { rows, users: rows / ROWS_PER_USER, storage });
  const connection = await bed.connect(schema);
  /** @type {{ sent: Statement | null }} */
  const last = { sent: null };
  /** @type {import('../dist/services/ports.js').Database} */
  const db = {
    query(statement) {
      last.sent = statement;
      return connection.query(statement);
    },
  };
  const redis = /** @type {any} */ (null); // No cache: every page is read.
  const pages = createOnDemandActivity({
    ...{ db, clock: wallClock, redis, keyPrefix: '', observer: noObserver },
    design: { kind: 'on-demand', cacheTtlMs: 0, maxSharedLoads: 1 },
  });
  const subjectKeys = { openAll: async () => new Map() }; // Seeded events have no sealed fields.
  const log = createAuditSearch({ db, storage, subjectKeys });
  const actors = await connection.query({
    text: `SELECT user_id AS id FROM audit_logs GROUP BY user_id HAVING count(*) > ${2 * PAGE + 1}`,
  });
  return {
    ...{ schema, connection, last },
    actors: actors.map((row) => String(/** @type {any} */ (row).id)),
    /**
     * @param {Kind} kind
     * @param {string} actor
     * @param {string | null} cursor of the page behind the first
     * @returns {Promise<{ items: readonly { occurredAt: string }[], next: string | null }>}
     */
    ask(kind, actor, cursor, limit = PAGE) {
      if (kind === 'search') return log.search(actor, { actor, cursor: null, limit });
      return pages.recent(actor, { cursor: kind === 'first' ? null : cursor, limit });
    },
  };
}

const noObserver = { onFlush() {}, onSequenced() {}, onSpill() {}, onCacheRead() {} };

/**
 * Plans of the questions for some actors: the worst of them, and everything in them that should not be.
 * @param {Log} log
 * @returns {Promise<Record<Kind, Planned>>}
 */
async function plan(log) {
  const random = seededRandom(3);
  /** @type {Record<Kind, Planned>} */
  const worst = { first: nothing(), later: nothing(), search: nothing() };
  for (let asked = 0; asked < PLANS; asked += 1) {
    const actor = pick(log.actors, random);
    const { next, items } = await log.ask('first', actor, null);
    for (const kind of KINDS) {
      // The statement reads one row more than the page holds, to know whether there is a next one.
      const page = await log.ask(kind, actor, next, PAGE + 1);
      const oldest = monthOf(page.items.at(-1));
      const newest = kind === 'later' ? monthOf(items.at(-1)) : '9999_12';
      await log.ask(kind, actor, next);
      const statement = /** @type {Statement} */ (log.last.sent);
      for (const found of await plansOf(log.connection, statement)) {
        const one = worst[kind];
        one.blocks = Math.max(one.blocks, found.blocks);
        one.months = Math.max(one.months, found.months.length);
        // The search reads archived months as well, so it looks at the head of each month's index to merge them.
        const strange = found.months.filter(
          (month) => kind !== 'search' && (month < oldest || month > newest),
        );
        const unindexed = found.indexes.filter(
          (name) => !/user_id|organisation_id|actor|tenant/.test(name),
        );
        one.faults.push(...found.others, ...unindexed, ...strange.map((month) => `reads ${month}`));
      }
    }
  }
  return worst;
}

const nothing = () => ({ blocks: 0, months: 0, faults: [] });

const monthOf = (/** @type {{ occurredAt: string } | undefined} */ item) =>
  (item?.occurredAt ?? '0000-00').slice(0, 7).replace('-', '_');

/** @param {readonly string[]} from @param {() => number} random */
const pick = (from, random) => /** @type {string} */ (from[Math.floor(random() * from.length)]);

/**
 * One question to each log in turn, the order turned round by round, so that a drift of the machine falls on all.
 * @param {readonly Log[]} logs
 * @param {{ rounds: number, asks: number }} pace
 */
async function alternate(logs, { rounds, asks }) {
  const random = seededRandom(5);
  await oneRound(logs, 300, random); // Pages come into memory, code is compiled.
  /** @type {Times[][]} */
  const measured = [];
  for (let round = 0; round < rounds; round += 1) measured.push(await oneRound(logs, asks, random));
  return measured;
}

/**
 * @param {readonly Log[]} logs
 * @param {number} asks
 * @param {() => number} random
 */
async function oneRound(logs, asks, random) {
  const samples = logs.map(() => ({
    ...{ first: /** @type {number[]} */ ([]), later: /** @type {number[]} */ ([]) },
    search: /** @type {number[]} */ ([]),
  }));
  for (let ask = 0; ask < asks; ask += 1) {
    for (let turn = 0; turn < logs.length; turn += 1) {
      const at = (ask + turn) % logs.length;
      const log = /** @type {Log} */ (logs[at]);
      const actor = pick(log.actors, random);
      let cursor = null;
      for (const kind of KINDS) {
        const startedMs = performance.now();
        const { next, items } = await log.ask(kind, actor, cursor);
        samples[at]?.[kind].push((performance.now() - startedMs) * 1_000);
        if (items.length !== PAGE) throw new Error(`${kind}: ${items.length} events of ${actor}`);
        if (kind === 'first') cursor = next;
      }
    }
  }
  return samples.map((one) => ({
    ...{ first: spread(one.first), later: spread(one.later), search: spread(one.search) },
  }));
}

const spread = (/** @type {readonly number[]} */ values) => ({
  p50Us: percentile(values, 0.5),
  p99Us: percentile(values, 0.99),
});

/**
 * A thousand readers of a page that is not in the cache, in one process; and the same without the shared load, which
 * shows that the count would see it.
 * @param {AuditBed} bed
 * @param {Log} log
 * @param {number} actors
 */
async function stampedes(bed, log, actors) {
  const redis = await bed.redis();
  const db = bed.pool(log.schema, 10);
  const readers = (/** @type {string} */ keyPrefix, /** @type {number} */ maxSharedLoads) =>
    createOnDemandActivity({
      ...{ db, clock: wallClock, redis, keyPrefix, observer: noObserver },
      design: { kind: 'on-demand', cacheTtlMs: 60_000, maxSharedLoads },
    });
  const storm = async (
    /** @type {ReturnType<typeof readers>} */ of,
    /** @type {string} */ actor,
  ) => {
    const before = await statements(bed);
    const asked = Array.from({ length: MISSES }, () =>
      of.recent(actor, { cursor: null, limit: PAGE }),
    );
    const pages = await Promise.all(asked);
    const whole = pages.every(({ items }) => items.every(({ userId }) => userId === actor));
    return { statements: (await statements(bed)) - before, whole };
  };
  const shared = readers('shared:', 10_000);
  const own = await storm(readers('own:', 0), pick(log.actors, seededRandom(9)));
  const each = [];
  for (const actor of log.actors.slice(0, actors)) each.push(await storm(shared, actor));
  return {
    shared: each.map((one) => one.statements),
    own: own.statements,
    whole: each.every((one) => one.whole),
  };
}

/** @param {AuditBed} bed */
async function statements(bed) {
  const rows = await bed.admin.query({
    text: `SELECT coalesce(sum(calls), 0)::int AS calls FROM public.pg_stat_statements
            WHERE query LIKE '%FROM audit_logs WHERE user_id = $1%' AND query NOT LIKE 'EXPLAIN%'`,
  });
  return /** @type {{ calls: number }} */ (rows[0]).calls;
}

/**
 * @param {{ sizes: number[], plans: Record<Kind, Planned>[], rounds: Times[][], asks: number,
 *   stampede: Awaited<ReturnType<typeof stampedes>> }} measured
 */
function judge({ sizes, plans, rounds, stampede, asks }) {
  const lines = [
    `${rounds.length} rounds of ${grouped(asks)} questions to each log in turn; a page of ${PAGE}, us, medians of the rounds`,
    row(['', 'rows', 'p50', 'p99', 'p99 ratio', 'pages', 'months']),
  ];
  /** @type {Record<string, object[]>} */
  const data = {};
  let ok = true;
  for (const kind of KINDS) {
    data[kind] = sizes.map((rows, at) => {
      const of = (/** @type {'p50Us' | 'p99Us'} */ key) =>
        rounds.map((one) => one[at]?.[kind][key] ?? Number.NaN);
      const smallest = rounds.map((one) => one[0]?.[kind].p99Us ?? Number.NaN);
      const ratio = median(of('p99Us').map((us, round) => us / (smallest[round] ?? Number.NaN)));
      const planned = /** @type {Planned} */ (plans[at]?.[kind]);
      if (planned.faults.length > 0 || (kind === 'first' && !(ratio <= MAX_RATIO))) ok = false;
      const [p50Us, p99Us] = [median(of('p50Us')), median(of('p99Us'))];
      const cells = [kind, grouped(rows), p50Us.toFixed(0), p99Us.toFixed(0), ratio.toFixed(2)];
      lines.push(row([...cells, planned.blocks, planned.months]));
      for (const fault of new Set(planned.faults)) lines.push(`  not in a plan of ours: ${fault}`);
      return { rows, p50Us, p99Us, ratio, ...planned };
    });
  }
  const misses = Math.max(...stampede.shared);
  if (misses !== 1 || stampede.own <= 1 || !stampede.whole) ok = false;
  lines.push(
    `p99 of the first page at most ${MAX_RATIO} times the smallest log's; pages and months read: the most of ${PLANS} actors`,
    `${grouped(MISSES)} misses at once: at most ${misses} statement (of ${stampede.shared.length} times); ${stampede.own} where loads are not shared`,
  );
  return { ok, lines, data: { ...data, stampede, rounds } };
}

const row = (/** @type {(string | number)[]} */ cells) =>
  cells.map((cell, at) => (at === 0 ? `${cell}`.padEnd(8) : `${cell}`.padStart(11))).join('');
