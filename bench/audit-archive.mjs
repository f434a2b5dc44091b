/**
 * Does a month that leaves for the archive hurt those who write? The gateway's writer at a constant rate with the
 * sequencer beside it, in windows that alternate: with an operator's process that archives one month after the other,
 * and as long a time without. Latency counts from the instant an event was due. Afterwards the log is verified with
 * what left, from the files alone, and one month comes back.
 *
 * Bounds: p99 of the writes at most 1.2 times as long while a month leaves, median of the rounds; every write is on
 * record; the log is whole before and after the month came back.
 */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openAuditKeys } from '../dist/services/audit/audit-keys.js';
import { verifyLog } from '../dist/services/audit/chain/verify.js';
import { openCheckpointFile } from '../dist/services/audit/checkpoint-file.js';
import { openLogSnapshot } from '../dist/services/audit/log-source.js';
import { createSequencer } from '../dist/services/audit/sequencer/sequencer.js';
import { openConnection } from '../dist/services/gateway/clients.js';
import { seededRandom } from '../dist/services/rate-limit/comparison/seeded-random.js';
import { design, grouped, makeAuditBed, median, percentile, wallClock } from './audit-bed.mjs';
import { makeEvent, noObserver, openWriter } from './audit-writes.mjs';
import { makeBed, nextMessage } from './bed.mjs';

export const title = 'writes while a month leaves for the archive';

const RATE_PER_SECOND = 300;
const MIN_WINDOW_MS = 2_000;
const MAX_RATIO = 1.2;
const SCHEMA = 'log';

/**
 * @typedef {import('./audit-bed.mjs').AuditBed} AuditBed
 * @typedef {import('../dist/services/audit/contract.js').AuditWriter} AuditWriter
 * @typedef {{ p50Us: number, p99Us: number, maxUs: number, writes: number }} Window
 * @typedef {{ calm: Window, archive: Window, records: number, tookMs: number }} Round
 */

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const rows = quick ? 300_000 : 1_500_000;
  const { chain } = design.audit;
  if (chain.kind !== 'sharded') throw new Error(`${design.name} has no chain`);
  const processes = await makeBed('audit-archive-operator');
  const bed = await makeAuditBed('audit-archive');
  try {
    const storage = { kind: /** @type {const} */ ('monthly'), liveDays: 400, indexes: both };
    await bed.seed(SCHEMA, { rows, users: rows / 400, storage, chained: true });
    const folder = path.join(bed.folder, 'audit');
    const keys = await openAuditKeys(folder);
    const checkpoints = openCheckpointFile(path.join(folder, 'checkpoints.ndjson'));
    const sequencer = createSequencer({
      ...{ design: chain, clock: wallClock, keys, checkpoints, observer: noObserver },
      open: () => openConnection(bed.urlOf(SCHEMA)),
      report: (error) => console.error(error.message),
    });
    sequencer.start();
    const operator = processes.start(
      './audit-archive-process.mjs',
      bed.urlOf(SCHEMA),
      folder,
      bed.folder,
    );
    await nextMessage(operator);
    const writer = openWriter(bed.pool(SCHEMA, 4));
    await window(writer, delay(MIN_WINDOW_MS));
    /** @type {Round[]} */
    const rounds = [];
    const files = [];
    for (const month of pastMonths().slice(0, quick ? 3 : 10)) {
      const { file, ...round } = await archive(writer, operator, {
        month,
        first: rounds.length % 2 === 0,
      });
      rounds.push(round);
      files.push(file);
    }
    await sequencer.close();
    const verify = () =>
      verifyAll(bed, { checkpoints, publicKey: keys.publicKeyPem, shards: chain.shards });
    const without = await verify();
    operator.send({ attach: files[0] });
    const { records: attached } = await nextMessage(operator);
    return judge({ rounds, rows, without, back: await verify(), attached });
  } finally {
    await processes.remove();
    await bed.remove();
  }
}

const both = /** @type {('tenant' | 'actor')[]} */ (['tenant', 'actor']);

/** Whole months of the seeded history that have ended, oldest first: `2026-01`. */
function pastMonths() {
  const now = new Date();
  return Array.from({ length: 11 }, (_, at) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 11 + at)).toISOString().slice(0, 7),
  );
}

/**
 * One month leaves, and an equal time passes in which nothing does; which of the two is first alternates.
 * @param {AuditWriter} writer
 * @param {import('node:child_process').ChildProcess} operator
 * @param {{ month: string, first: boolean }} given
 * @returns {Promise<Round & { file: string }>}
 */
async function archive(writer, operator, { month, first }) {
  let lastMs = MIN_WINDOW_MS;
  const calm = () => window(writer, delay(lastMs));
  const before = first ? null : await calm();
  operator.send({ archive: month });
  const left = nextMessage(operator);
  const during = await window(writer, left);
  const { records, file, tookMs } = await left;
  lastMs = Math.max(MIN_WINDOW_MS, tookMs);
  return { calm: before ?? (await calm()), archive: during, records, tookMs, file };
}

/**
 * Writes at the rate until `until` is settled, and waits for all of them.
 * @param {AuditWriter} writer
 * @param {Promise<unknown>} until
 * @returns {Promise<Window>}
 */
async function window(writer, until) {
  let over = false;
  const ended = until.finally(() => {
    over = true;
  });
  /** @type {number[]} */
  const tookUs = [];
  const pending = [];
  const startedMs = performance.now();
  for (let due = 0; !over; due += 1) {
    const dueMs = startedMs + (due * 1_000) / RATE_PER_SECOND;
    const earlyMs = dueMs - performance.now();
    if (earlyMs > 0) await delay(earlyMs);
    const written = writer.record(makeEvent(1_000, random));
    pending.push(written.then(() => tookUs.push((performance.now() - dueMs) * 1_000)));
  }
  await Promise.all([ended, ...pending]);
  const [p50Us, p99Us] = [percentile(tookUs, 0.5), percentile(tookUs, 0.99)];
  return { p50Us, p99Us, maxUs: Math.max(...tookUs), writes: tookUs.length };
}

const random = seededRandom(13);

/**
 * @param {AuditBed} bed
 * @param {{ checkpoints: import('../dist/services/audit/checkpoint-file.js').CheckpointFile, publicKey: string,
 *   shards: number }} given
 */
async function verifyAll(bed, { checkpoints, publicKey, shards }) {
  const db = await bed.connect(SCHEMA);
  const log = await openLogSnapshot(db, { checkpoints, archiveFile: ({ file }) => file });
  try {
    return await verifyLog(log, { publicKeys: [publicKey], shards });
  } finally {
    await log.close();
  }
}

/**
 * @param {{ rounds: Round[], rows: number, attached: number,
 *   without: import('../dist/services/audit/chain/verification.js').Verification,
 *   back: import('../dist/services/audit/chain/verification.js').Verification }} measured
 */
function judge({ rounds, rows, without, back, attached }) {
  const ratios = rounds.map(({ calm, archive: during }) => during.p99Us / calm.p99Us);
  const ratio = median(ratios);
  // Each archived month leaves an event, the one that came back another.
  const writes = rounds.reduce(
    (sum, { calm, archive: during }) => sum + calm.writes + during.writes,
    0,
  );
  const whole =
    without.verdict === 'pass' && back.verdict === 'pass' && without.records >= rows + writes;
  const line = (/** @type {'calm' | 'archive'} */ kind) => {
    const of = (/** @type {'p50Us' | 'p99Us' | 'maxUs'} */ key) =>
      (median(rounds.map((round) => round[kind][key])) / 1_000).toFixed(2).padStart(9);
    const each = rounds.map((round) => (round[kind].p99Us / 1_000).toFixed(1)).join(' ');
    return `${kind.padEnd(9)}${of('p50Us')}${of('p99Us')}${of('maxUs')}  (p99 each: ${each})`;
  };
  const records = rounds.map((round) => round.records);
  const lines = [
    `${rounds.length} months of ${grouped(Math.min(...records))} to ${grouped(Math.max(...records))} records leave in ${(median(rounds.map(({ tookMs }) => tookMs)) / 1_000).toFixed(1)} s each; ${RATE_PER_SECOND} writes/s, ms, medians`,
    `${''.padEnd(9)}${['p50', 'p99', 'max'].map((name) => name.padStart(9)).join('')}`,
    line('calm'),
    line('archive'),
    `archive / calm ${ratio.toFixed(2)} (at most ${MAX_RATIO}; each: ${ratios.map((one) => one.toFixed(2)).join(' ')})`,
    `verified with the files: ${without.verdict}, ${grouped(without.records)} records; with ${grouped(attached)} of them back: ${back.verdict}, ${grouped(back.records)}`,
    ...[without.first, back.first].flatMap((first) =>
      first === null ? [] : [`  ${first.kind}: ${first.detail}`],
    ),
  ];
  const said = (
    /** @type {typeof without} */ { verdict, records: count, blocks, findingCount },
  ) => ({
    ...{ verdict, records: count, blocks, findingCount },
  });
  const verified = { without: said(without), back: said(back) };
  return { ok: ratio <= MAX_RATIO && whole, lines, data: { ratio, ratios, rounds, verified } };
}
