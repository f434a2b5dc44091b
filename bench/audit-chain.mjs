/**
 * What the chain costs those who write, and how fast a chained log is verified. The gateway's two ways to write, events
 * in shared commits and changes that bring their event, each by many callers that wait for the commit, with the
 * sequencer at work in its process beside it and without it, in windows that alternate. A chained window ends when its
 * last record is in a block, so nothing is left for later.
 *
 * Bounds: chained at least 0.8 of unchained for both, median of the rounds; the log that this wrote is whole, is verified at
 * 50,000 events/s or more on one core, and its largest proof has at most 2 kB.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openAuditKeys } from '../dist/services/audit/audit-keys.js';
import { verifyLog } from '../dist/services/audit/chain/verify.js';
import { openCheckpointFile } from '../dist/services/audit/checkpoint-file.js';
import { createEventProof } from '../dist/services/audit/event-proof.js';
import { openLogSnapshot } from '../dist/services/audit/log-source.js';
import { createSequencerProcess } from '../dist/services/audit/sequencer/sequencer-client.js';
import { createProjects } from '../dist/services/projects/store.js';
import { seededRandom } from '../dist/services/rate-limit/comparison/seeded-random.js';
import { cpuUsedUs, readCpu } from '../dist/sim/effects/observe/cpu-meter.js';
import { childrenOf } from '../dist/sim/effects/process/process-table.js';
import { design, grouped, makeAuditBed, median, percentile, wallClock } from './audit-bed.mjs';
import { makeEvent, openWriter, write } from './audit-writes.mjs';

export const title = 'durable writes with the chain and without; how fast it is verified';

const USERS = 1_000;
const GATEWAY_POOL = 10;
const MIN_RATIO = 0.8;
const MIN_VERIFIED_PER_SECOND = 50_000;
const DRAIN_LIMIT_MS = 30_000;
/** What a sequencer needs to start and be elected; in a gateway it has long been. */
const SEQUENCER_START_MS = 1_000;
const MAX_PROOF_BYTES = 2_048;
const PROOFS = 200;
const ARMS = /** @type {const} */ (['none', 'sharded']);
/** Callers at one time of each kind of write. */
const CALLERS = /** @type {const} */ ({ event: 512, change: 64 });
const KINDS = /** @type {const} */ (['event', 'change']);

/**
 * @typedef {import('./audit-bed.mjs').AuditBed} AuditBed
 * @typedef {(typeof ARMS)[number]} ArmName
 * @typedef {(typeof KINDS)[number]} Kind
 * @typedef {Record<Kind, Record<ArmName, Window[]>>} Windows
 * @typedef {{ events: number, perSecond: number, ownCpuUs: number, besideCpuUs: number, databaseCpuUs: number }} Window
 * @typedef {Awaited<ReturnType<typeof openArm>>} Arm
 */

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const pace = quick ? { rounds: 3, windowMs: 1_500 } : { rounds: 9, windowMs: 4_000 };
  const bed = await makeAuditBed('audit-chain');
  try {
    const arms = { none: await openArm(bed, 'none'), sharded: await openArm(bed, 'sharded') };
    // Code is compiled, keys of the users are there.
    for (const kind of KINDS) for (const name of ARMS) await arms[name].write(kind, 1_500);
    arms.sharded.delays.length = 0;
    /** @type {Windows} */
    const rounds = { event: { none: [], sharded: [] }, change: { none: [], sharded: [] } };
    for (let round = 0; round < pace.rounds; round += 1)
      for (const kind of KINDS)
        for (const name of round % 2 === 0 ? ARMS : ARMS.toReversed())
          rounds[kind][name].push(await arms[name].write(kind, pace.windowMs));
    const verified = await verify(bed, arms.sharded, quick ? 3 : 5);
    const proofs = await prove(arms.sharded);
    return judge({ pace, rounds, delays: arms.sharded.delays, verified, proofs });
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
  await bed.seed(name, { rows: 0, users: USERS + 10, storage });
  const db = bed.pool(name, GATEWAY_POOL);
  const writer = openWriter(db);
  const projects = createProjects({
    db,
    clock: wallClock,
    random: { uuid: randomUUID, bytes: randomBytes },
  });
  const observed = await bed.connect(name);
  const folder = path.join(bed.folder, name);
  const keys = await openAuditKeys(folder);
  const checkpoints = openCheckpointFile(path.join(folder, 'checkpoints.ndjson'));
  /** Of each batch: its records, and how long the oldest of them had waited. @type {[number, number][]} */
  const delays = [];
  const random = seededRandom(7);
  const total = { written: 0, chained: 0 };
  const writes = {
    event: () => writer.record(makeEvent(USERS, random)),
    // The change of a request, its event last in its transaction.
    async change() {
      const event = makeEvent(USERS, random);
      await projects.create(event.userId, 'Project', (tx) => writer.recordIn(tx, event));
    },
  };
  const sequencer = () =>
    createSequencerProcess({
      module: fileURLToPath(
        new URL('../dist/services/gateway/audit/sequencer-process.js', import.meta.url),
      ),
      start: { databaseUrl: bed.urlOf(name), role: null, directory: folder, design: chain },
      observer: {
        onSequenced(records, seconds) {
          total.chained += records;
          delays.push([records, seconds * 1_000]);
        },
      },
      report: (error) => console.error(error.message),
    });
  return {
    ...{ delays, observed, keys, checkpoints, shards: chain.shards },
    checkpointFile: path.join(folder, 'checkpoints.ndjson'),
    /** @param {Kind} kind @param {number} windowMs @returns {Promise<Window>} */
    async write(kind, windowMs) {
      const chained = name === 'sharded' ? sequencer() : null;
      chained?.start();
      if (chained) await delay(SEQUENCER_START_MS);
      const before = {
        ms: performance.now(),
        own: process.cpuUsage(),
        beside: meterCpu(() => [chained?.pid() ?? 0]),
        database: meterDatabase(bed),
      };
      const more = () => performance.now() - before.ms < windowMs;
      const events = await write(writes[kind], { callers: CALLERS[kind], more });
      total.written += events;
      const limitMs = performance.now() + DRAIN_LIMIT_MS;
      while (chained !== null && total.chained < total.written) {
        if (performance.now() > limitMs) throw new Error('the sequencer does not come to an end');
        await delay(2);
      }
      const seconds = (performance.now() - before.ms) / 1_000;
      const { user, system } = process.cpuUsage(before.own);
      const databaseCpuUs = before.database() / events;
      const besideCpuUs = before.beside() / events;
      await chained?.close();
      return {
        events,
        perSecond: events / seconds,
        ownCpuUs: (user + system) / events,
        ...{ besideCpuUs, databaseCpuUs },
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
    const before = { ms: performance.now(), own: process.cpuUsage(), database: meterDatabase(bed) };
    const log = await openLogSnapshot(observed, { checkpoints });
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
 * Bytes of the proofs of some events.
 * @param {Arm} arm
 */
async function prove({ observed, checkpointFile, shards }) {
  const rows = await observed.query({
    text: `SELECT event_id AS id FROM audit_logs TABLESAMPLE SYSTEM (20) ORDER BY random() LIMIT ${PROOFS}`,
  });
  const proofOf = createEventProof({ db: observed, checkpointFile, shards });
  const bytes = [];
  for (const { id } of /** @type {{ id: string }[]} */ (rows)) {
    const proven = await proofOf(null, id);
    if (proven === null || proven === 'not-sequenced') throw new Error(`${id} has no proof`);
    bytes.push(Buffer.byteLength(JSON.stringify(proven.document.proof)));
  }
  return bytes;
}

/**
 * Begins to count CPU; what it gives is asked when it is over.
 * @param {() => number[]} pids
 */
function meterCpu(pids) {
  const before = readCpu(pids());
  return () => cpuUsedUs(before, readCpu(pids()));
}

/** @param {AuditBed} bed */
function meterDatabase({ serverPid }) {
  return meterCpu(() => [serverPid, ...childrenOf(serverPid)]);
}

/**
 * @param {{ pace: { rounds: number, windowMs: number }, rounds: Windows, delays: [number, number][],
 *   verified: Awaited<ReturnType<typeof verify>>, proofs: number[] }} measured
 */
function judge({ pace, rounds, delays, verified, proofs }) {
  const kinds = { event: ratioOf(rounds.event), change: ratioOf(rounds.change) };
  const waits = delays.flatMap(([records, ms]) => Array(records).fill(ms));
  const toChainMs = { p50: percentile(waits, 0.5), p99: percentile(waits, 0.99) };
  const perCoreSecond = median(verified.map((one) => one.perCoreSecond));
  const whole = verified.every(
    ({ verdict, notSequenced }) => verdict === 'pass' && notSequenced === 0,
  );
  const last = verified.at(-1);
  const proofBytes = { p50: percentile(proofs, 0.5), most: Math.max(...proofs) };
  const lines = [
    `${pace.rounds} rounds of windows of ${pace.windowMs / 1_000} s, alternating; every write committed, fsync on; a chained window ends when all of it is chained`,
    ...KINDS.flatMap((kind) => linesOf(kind, rounds[kind], kinds[kind])),
    `from received to chained p50 ${toChainMs.p50.toFixed(0)} ms, p99 ${toChainMs.p99.toFixed(0)} ms, for the oldest record of each batch`,
    `verified ${last?.verdict}: ${grouped(last?.records ?? 0)} events in ${grouped(last?.blocks ?? 0)} blocks, ${last?.checkpoints} checkpoints, ${verified.length} times`,
    `verify ${grouped(perCoreSecond)} events for each second of one core (at least ${grouped(MIN_VERIFIED_PER_SECOND)}), ${grouped(median(verified.map((one) => one.perSecond)))} by the clock; PostgreSQL ${median(verified.map((one) => one.databaseCpuUs)).toFixed(1)} us CPU an event`,
    `a proof has ${proofBytes.p50} bytes, the largest of ${proofs.length} ${proofBytes.most} (at most ${MAX_PROOF_BYTES})`,
    ...(last?.first ? [`  ${last.first.kind}: ${last.first.detail}`] : []),
  ];
  const ok =
    KINDS.every((kind) => kinds[kind].ratio >= MIN_RATIO) &&
    whole &&
    perCoreSecond >= MIN_VERIFIED_PER_SECOND &&
    proofBytes.most <= MAX_PROOF_BYTES;
  const ratios = { event: kinds.event.ratio, change: kinds.change.ratio };
  return { ok, lines, data: { ratios, toChainMs, perCoreSecond, proofBytes, verified, rounds } };
}

/** @param {Record<ArmName, Window[]>} windows */
function ratioOf({ none, sharded }) {
  const each = sharded.map(({ perSecond }, at) => perSecond / (none[at]?.perSecond ?? Number.NaN));
  const cpuUs = (/** @type {Window[]} */ of) =>
    median(of.map((one) => one.ownCpuUs + one.besideCpuUs + one.databaseCpuUs));
  return { ratio: median(each), each, cpuRatio: cpuUs(none) / cpuUs(sharded) };
}

/**
 * @param {Kind} kind
 * @param {Record<ArmName, Window[]>} windows
 * @param {ReturnType<typeof ratioOf>} ratios
 */
function linesOf(kind, windows, { ratio, each, cpuRatio }) {
  const what = { event: 'events in shared commits', change: 'changes with their event' }[kind];
  const line = (/** @type {ArmName} */ name) => {
    const of = (/** @type {keyof Window} */ key) => windows[name].map((one) => one[key]);
    const cpu = (/** @type {keyof Window} */ key) => median(of(key)).toFixed(1).padStart(11);
    return `  ${name.padEnd(9)}${grouped(median(of('perSecond'))).padStart(8)}${cpu('ownCpuUs')}${cpu('besideCpuUs')}${cpu('databaseCpuUs')}  (${of('perSecond').map(grouped).join(' ')})`;
  };
  return [
    `${what}, ${CALLERS[kind]} callers: a second, us CPU of the writers' process, of the sequencer, of PostgreSQL`,
    ...ARMS.map(line),
    `  chained / unchained ${ratio.toFixed(2)} (at least ${MIN_RATIO}; each: ${each.map((one) => one.toFixed(2)).join(' ')}); CPU alone would allow ${cpuRatio.toFixed(2)}`,
  ];
}
