/**
 * What the chain costs those who write, and how fast a chained log is verified. The gateway's writer under many callers
 * that each wait for the commit, with the sequencer at work in the same process and without it, in windows that
 * alternate; a chained window ends when its last record is in a block, so nothing is left for later.
 *
 * Bounds: chained at least 0.8 of unchained, median of the rounds; the log that this wrote is whole, is verified at
 * 50,000 events/s or more on one core, and its largest proof has at most 2,000 bytes.
 */
import path from 'node:path';
import { openAuditKeys } from '../dist/services/audit/audit-keys.js';
import { openCheckpointFile } from '../dist/services/audit/checkpoint-file.js';
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
    return judge({ pace, rounds, delays: arms.sharded.delays });
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
  const sequencer = () =>
    createSequencer({
      ...{ design: chain, clock: wallClock, keys, checkpoints },
      open: () => openConnection(bed.urlOf(name)),
      observer: { sequenced: (records, seconds) => void delays.push([records, seconds * 1_000]) },
      report: (error) => console.error(error.message),
    });
  const isChained = async () => {
    const rows = await observed.query({
      text: `SELECT (SELECT count(*) FROM audit_logs) = (SELECT coalesce(sum(records), 0) FROM audit_blocks) AS whole`,
    });
    return /** @type {{ whole: boolean }} */ (rows[0]).whole;
  };

  return {
    ...{ delays, observed, keys, checkpoints },
    /** @param {number} windowMs @returns {Promise<Window>} */
    async write(windowMs) {
      const chained = name === 'sharded' ? sequencer() : null;
      chained?.start();
      const databaseUs = () => childrenOf(bed.serverPid).reduce((sum, pid) => sum + cpuUs(pid), 0);
      const before = { ms: performance.now(), own: process.cpuUsage(), databaseUs: databaseUs() };
      const more = () => performance.now() - before.ms < windowMs;
      const events = await write(writer, { ...{ callers: CALLERS, users: USERS }, random, more });
      const drainedMs = performance.now() + DRAIN_LIMIT_MS;
      while (chained !== null && !(await isChained()))
        if (performance.now() > drainedMs) throw new Error('the sequencer does not come to an end');
      const seconds = (performance.now() - before.ms) / 1_000;
      const { user, system } = process.cpuUsage(before.own);
      const databaseCpuUs = (databaseUs() - before.databaseUs) / events;
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
 * @param {{ pace: { rounds: number, windowMs: number }, rounds: Record<ArmName, Window[]>,
 *   delays: [number, number][] }} measured
 */
function judge({ pace, rounds, delays }) {
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
  const ok = ratio >= MIN_RATIO;
  return { ok, lines, data: { ratio, ratios, delay: { p50Ms, p99Ms }, rounds } };
}
