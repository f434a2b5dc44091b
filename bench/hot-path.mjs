/**
 * What a request costs that does what every request must: who is it (session), may they (exact limits at every
 * level), and on record before the answer (audit). `GET /session` of the real gateway: the cheapest route of ours that
 * somebody must be logged in for, since it does these three and nothing else. Beside it, in rounds that alternate under the
 * same load of 128 connections: a Fastify route that does nothing, and the same three done with Express and the usual packages.
 *
 * Bounds: at least 0.60 of the no-op and 10 times the Express stack, medians of the rounds. Load and server share a
 * core and the stores have the other, so the load's own CPU is in every figure; what each process took is beside it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openHotPathBed } from './hot-path-bed.mjs';
import { costOf, openCounters } from './hot-path-costs.mjs';

export const title =
  'session, exact limits and durable audit of a request beside a no-op and Express';

const MIN_OF_NOOP = 0.6;
const MIN_TIMES_EXPRESS = 10;
/** Enough that the stores and the gateway have work at the same time. */
const CONNECTIONS = 128;
const PAUSE_MS = 300;
/** What it takes until nothing is compiled any more, and when to stop waiting for it: so many times 2 s. */
const WARM_REQUESTS = 100_000;
const WARM_TIMES = 6;

/** @typedef {'noop' | 'ours' | 'express'} StackName */
const names = /** @type {const} */ (['noop', 'ours', 'express']);

/**
 * @typedef {{ stack: StackName, round: number, perSecond: number, answered: number, refused: number, p50Ms: number, p99Ms: number, cost: ReturnType<typeof costOf> }} Round
 */

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const folder = await mkdtemp(path.join(tmpdir(), 'platform-bench-'));
  /** @type {(() => unknown)[]} */
  const endings = [() => rm(folder, { recursive: true, force: true })];
  try {
    const bed = await openHotPathBed(path.join(folder, 'logs'));
    endings.push(() => bed.stop());
    const counters = await openCounters({
      ...bed.testbed,
      pidsOf: (/** @type {StackName} */ stack) => ({
        server: bed.stacks[stack].pids,
        postgres: bed.testbed.pids.postgres,
        redis: bed.testbed.pids.redis,
        sequencer: stack === 'ours' ? bed.besidePids : () => [],
        load: bed.loadPids,
      }),
    });
    endings.push(() => counters.close());
    return judge(
      await alternate(bed, counters, { rounds: quick ? 3 : 5, durationMs: quick ? 2_000 : 5_000 }),
    );
  } finally {
    for (const end of endings.reverse()) await end();
  }
}

/**
 * @param {Awaited<ReturnType<typeof openHotPathBed>>} bed
 * @param {Awaited<ReturnType<typeof openCounters>>} counters
 * @param {{ rounds: number, durationMs: number }} scale
 */
async function alternate(bed, counters, { rounds, durationMs }) {
  const load = (/** @type {StackName} */ stack, /** @type {number} */ forMs) => {
    const { url, accounts } = bed.stacks[stack];
    return bed.load({ url, accounts, connections: CONNECTIONS, durationMs: forMs });
  };
  // Code is compiled, connections are there, every session has its copy.
  for (const stack of names) {
    let answered = 0;
    for (let warm = 0; warm < WARM_TIMES && answered < WARM_REQUESTS; warm += 1)
      answered += (await load(stack, 2_000)).answered;
  }
  /** @type {Round[]} */
  const measured = [];
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const stack = names[(round + turn) % names.length];
      await delay(PAUSE_MS);
      const before = await counters.read(stack);
      const { seconds, ...seen } = await load(stack, durationMs);
      const cost = costOf(before, await counters.read(stack), seen.answered);
      measured.push({ stack, round, perSecond: seen.answered / seconds, ...seen, cost });
    }
  }
  return measured;
}

/** @param {Round[]} rounds */
function judge(rounds) {
  const of = (/** @type {StackName} */ stack) => rounds.filter((round) => round.stack === stack);
  const rate = (/** @type {StackName} */ stack) => median(of(stack).map((one) => one.perSecond));
  const against = (/** @type {StackName} */ other) =>
    median(of('ours').map((one, i) => one.perSecond / of(other)[i].perSecond));
  const ratios = { noop: against('noop'), express: against('express') };
  const refused = rounds.reduce((sum, one) => sum + one.refused, 0);
  const row = (/** @type {(string | number)[]} */ cells) =>
    cells.map((cell, i) => (i === 0 ? `${cell}`.padEnd(9) : `${cell}`.padStart(11))).join('');
  const lines = [
    `${rounds.length / names.length} rounds each, ${CONNECTIONS} connections; medians; CPU in us and the rest for each request`,
    row([
      '',
      'req/s',
      'p50 ms',
      'p99 ms',
      'server',
      'postgres',
      'redis',
      'sequencer',
      'load',
      'commands',
      'reads',
      'statements',
      'WAL bytes',
    ]),
    ...names.map((name) => {
      const middle = (/** @type {(round: Round) => number} */ read, digits = 1) =>
        median(of(name).map(read)).toFixed(digits);
      const cpu = (/** @type {string} */ part) => middle(({ cost }) => cost.cpuUs[part]);
      return row([
        ...[name, rate(name).toFixed(0), middle((one) => one.p50Ms), middle((one) => one.p99Ms)],
        ...['server', 'postgres', 'redis', 'sequencer', 'load'].map(cpu),
        ...[middle(({ cost }) => cost.redisCommands, 2), middle(({ cost }) => cost.redisReads, 2)],
        ...[middle(({ cost }) => cost.statements, 3), middle(({ cost }) => cost.walBytes, 0)],
      ]);
    }),
    `ours is ${ratios.noop.toFixed(3)} of the no-op (at least ${MIN_OF_NOOP.toFixed(2)}) and ${ratios.express.toFixed(1)} times Express (at least ${MIN_TIMES_EXPRESS})`,
    ...(refused > 0 ? [`${refused} requests were not answered 2xx`] : []),
  ];
  const ok = ratios.noop >= MIN_OF_NOOP && ratios.express >= MIN_TIMES_EXPRESS && refused === 0;
  return { ok, lines, data: { ratios, refused, rounds } };
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
