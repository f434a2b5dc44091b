/**
 * What the chain costs those who write, and how fast a chained log is verified. The gateway's writer under many callers
 * that each wait for the commit, with the sequencer at work in the same process and without it, in windows that
 * alternate; a chained window ends when its last record is in a block, so nothing is left for later.
 *
 * Bounds: chained at least 0.8 of unchained, median of the rounds; the log that this wrote is whole, is verified at
 * 50,000 events/s or more on one core, and its largest proof has at most 2,000 bytes.
 */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openAuditKeys } from '../dist/services/audit/audit-keys.js';
import { verifyLog } from '../dist/services/audit/chain/verify.js';
import { openCheckpointFile } from '../dist/services/audit/checkpoint-file.js';
import { readLog } from '../dist/services/audit/log-source.js';
import { createSequencer } from '../dist/services/audit/sequencer.js';
import { openConnection } from '../dist/services/gateway/clients.js';
import { seededRandom } from '../dist/services/rate-limit/comparison/seeded-random.js';
import { childrenOf } from '../dist/sim/effects/testbed/process-table.js';
import { design, grouped, makeAuditBed, median, percentile, wallClock } from './audit-bed.mjs';
import { openWriter, write } from './audit-writes.mjs';
import { cpuUs } from './bed.mjs';

export const title = 'durable writes with the chain and without; how fast it is verified';

const CALLERS = 512;
const USERS = 1_000;
const MIN_RATIO = 0.8;
const MIN_VERIFIED_PER_SECOND = 50_000;
const DRAIN_LIMIT_MS = 30_000;
const ARMS = /** @type {const} */ (['none', 'sharded']);

/**
 * @typedef {import('./audit-bed.mjs').AuditBed} AuditBed
 * @typedef {(typeof ARMS)[number]} ArmName
 * @typedef {{ events: number, perSecond: number, ownCpuUs: number, databaseCpuUs: number }} Window
 * @typedef {Awaited<ReturnType<typeof openArm>>} Arm
 */

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const pace = quick ? { rounds: 3, windowMs: 1_500 } : { rounds: 9, windowMs: 4_000 };
  const bed = await makeAuditBed('audit-chain');
  try {
    const arms = { none: await openArm(bed, 'none'), sharded: await openArm(bed, 'sharded') };
    for (const name of ARMS) await arms[name].write(1_500); // Code is compiled, keys of the users are there.
    arms.sharded.delays.length = 0;
    /** @type {Record<ArmName, Window[]>} */
    const rounds = { none: [], sharded: [] };
    for (let round = 0; round < pace.rounds; round += 1)
      for (const name of round % 2 === 0 ? ARMS : ARMS.toReversed())
        rounds[name].push(await arms[name].write(pace.windowMs));
    const verified = await verify(bed, arms.sharded, quick ? 3 : 5);
    return judge({ pace, rounds, delays: arms.sharded.delays, verified });
  } finally {
    await bed.remove();
  }
}

/**
 * @param {AuditBed} bed
 * @param {ArmName} name
 */
async function openArm(bed, name) {
  const { chain, storage } = design.audit;
  if (chain.kind !== 'sharded') throw new Error(`${design.name} has no chain`);
  await bed.seed(name, { rows: 0, users: 10, storage });
  const writer = openWriter(bed.pool(name, 4));
  const observed = await bed.connect(name);
  const folder = path.join(bed.folder, name);
  const keys = await openAuditKeys(folder);
  const checkpoints = openCheckpointFile(path.join(folder, 'checkpoints.ndjson'));
  /** Of each look: its records, and how long the oldest of them had waited. @type {[number, number][]} */
  const delays = [];
  const random = seededRandom(7);
  const total = { written: 0, chained: 0 };
  const sequencer = () =>
    createSequencer({
      ...{ design: chain, clock: wallClock, keys, checkpoints },
      open: () => openConnection(bed.urlOf(name)),
      observer: {
        sequenced(records, seconds) {
          total.chained += records;
          delays.push([records, seconds * 1_000]);
        },
      },
      report: (error) => console.error(error.message),
    });
  return {
    ...{ delays, observed, keys, checkpoints, shards: chain.shards },
    /** @param {number} windowMs @returns {Promise<Window>} */
    async write(windowMs) {
      const chained = name === 'sharded' ? sequencer() : null;
      chained?.start();
      const before = {
        ms: performance.now(),
        own: process.cpuUsage(),
        database: databaseMeter(bed),
      };
      const more = () => performance.now() - before.ms < windowMs;
      const events = await write(writer, { ...{ callers: CALLERS, users: USERS }, random, more });
      total.written += events;
      const limitMs = performance.now() + DRAIN_LIMIT_MS;
      while (chained !== null && total.chained < total.written) {
        if (performance.now() > limitMs) throw new Error('the sequencer does not come to an end');
        await delay(2);
      }
      const seconds = (performance.now() - before.ms) / 1_000;
      const { user, system } = process.cpuUsage(before.own);
      const databaseCpuUs = before.database() / events;
      await chained?.close();
      return {
        events,
        perSecond: events / seconds,
        ownCpuUs: (user + system) / events,
        databaseCpuUs,
      };
    },
  };
}

/**
 * The whole log, several times. CPU counts, all threads of the verifying process, so that "on one core" needs no
 * pinning; PostgreSQL reads meanwhile, on another.
 * @param {AuditBed} bed
 * @param {Arm} arm
 * @param {number} times
 */
async function verify(bed, { observed, checkpoints, keys, shards }, times) {
  const each = [];
  for (let time = 0; time < times; time += 1) {
    const before = { ms: performance.now(), own: process.cpuUsage(), database: databaseMeter(bed) };
    const log = await readLog(observed, { checkpoints });
    const found = await verifyLog(log, { publicKeys: [keys.publicKeyPem], shards });
    await log.close();
    const { user, system } = process.cpuUsage(before.own);
    each.push({
      ...{ verdict: found.verdict, records: found.records, blocks: found.blocks },
      ...{ checkpoints: found.checkpoints, notSequenced: found.notSequenced, first: found.first },
      perCoreSecond: found.records / ((user + system) / 1e6),
      perSecond: found.records / ((performance.now() - before.ms) / 1_000),
      databaseCpuUs: before.database() / found.records,
    });
  }
  return each;
}

/**
 * Begins to count the CPU of PostgreSQL's processes; what it gives is asked when it is over. One that ended meanwhile
 * is left out.
 * @param {AuditBed} bed
 */
function databaseMeter(bed) {
  const now = () => new Map(childrenOf(bed.serverPid).map((pid) => [pid, cpuIfThere(pid)]));
  const before = now();
  return () => [...now()].reduce((sum, [pid, us]) => sum + us - (before.get(pid) ?? 0), 0);
}

/** @param {number} pid */
function cpuIfThere(pid) {
  try {
    return cpuUs(pid);
  } catch {
    return 0; // It ended since it was listed.
  }
}

/**
 * @param {{ pace: { rounds: number, windowMs: number }, rounds: Record<ArmName, Window[]>,
 *   delays: [number, number][], verified: Awaited<ReturnType<typeof verify>> }} measured
 */
function judge({ pace, rounds, delays, verified }) {
  const of = (/** @type {ArmName} */ name, /** @type {keyof Window} */ key) =>
    rounds[name].map((one) => one[key]);
  const ratios = of('sharded', 'perSecond').map(
    (per, at) => per / (of('none', 'perSecond')[at] ?? NaN),
  );
  const ratio = median(ratios);
  const waits = delays.flatMap(([records, ms]) => Array(records).fill(ms));
  const [p50Ms, p99Ms] = [percentile(waits, 0.5), percentile(waits, 0.99)];
  const cell = (/** @type {ArmName} */ name, /** @type {keyof Window} */ key) =>
    median(of(name, key)).toFixed(1).padStart(11);
  const line = (/** @type {ArmName} */ name) =>
    `${name.padEnd(10)}${grouped(median(of(name, 'perSecond'))).padStart(8)}` +
    `${cell(name, 'ownCpuUs')}${cell(name, 'databaseCpuUs')}  (${of(name, 'perSecond').map(grouped).join(' ')})`;
  const lines = [
    `${CALLERS} callers, ${pace.rounds} rounds of two windows of ${pace.windowMs / 1_000} s, alternating; every event committed, fsync on`,
    `${'chain'.padEnd(10)}events/s    own CPU us, PostgreSQL's`,
    ...ARMS.map(line),
    `chained / unchained ${ratio.toFixed(2)} (at least ${MIN_RATIO}; each: ${ratios.map((one) => one.toFixed(2)).join(' ')})`,
    `from received to chained p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms, each as the oldest of its look`,
  ];
  const perCoreSecond = median(verified.map((one) => one.perCoreSecond));
  const last = verified.at(-1);
  const whole = verified.every(
    ({ verdict, notSequenced }) => verdict === 'pass' && notSequenced === 0,
  );
  lines.push(
    `verified ${last?.verdict}: ${grouped(last?.records ?? 0)} events in ${grouped(last?.blocks ?? 0)} blocks, ${last?.checkpoints} checkpoints, ${verified.length} times`,
    `verify ${grouped(perCoreSecond)} events for each second of one core (at least ${grouped(MIN_VERIFIED_PER_SECOND)}), ${grouped(median(verified.map((one) => one.perSecond)))} by the clock; PostgreSQL ${median(verified.map((one) => one.databaseCpuUs)).toFixed(1)} us CPU an event`,
  );
  if (last?.first) lines.push(`  ${last.first.kind}: ${last.first.detail}`);
  const ok = ratio >= MIN_RATIO && whole && perCoreSecond >= MIN_VERIFIED_PER_SECOND;
  const toChainMs = { p50Ms, p99Ms };
  return { ok, lines, data: { ratio, ratios, toChainMs, perCoreSecond, verified, rounds } };
}
