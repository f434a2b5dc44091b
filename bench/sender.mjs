/**
 * What our sender costs: CPU for each request beside autocannon's and undici's, at one fixed rate, against one
 * server that answers at once. Every generator has its own process; rounds alternate forwards and backwards
 * (A B C C B A), so that a drift of the machine falls on all alike. Ours also writes the history meanwhile.
 *
 * Bounds: CPU at most 1.25 times autocannon's, send lag p99 below 5 ms. autocannon keeps a rate by sending each
 * second's share as a burst, so it hardly waits; two more show what waiting costs, and judge nothing: `paced` is
 * autocannon without a rate against a server whose capacity is the rate, `floor` our sends and reads with no work.
 */
import { summarize } from '../dist/sim/pure/measure/histogram.js';
import { constantRate, cpuUs, makeBed, nextMessage } from './bed.mjs';

export const title = 'CPU for each request beside autocannon and undici, and the send lag';

const RATE_PER_SECOND = 2_000;
/** A limit that all three get; ours opens them only as it needs them. */
const CONNECTIONS = 10;
const MAX_RATIO = 1.25;
const MAX_LAG_P99_US = 5_000;

/**
 * @typedef {{ pid: number, load: (phase: string, seconds: number) => Promise<number> }} Generator
 * @typedef {{ answered: number, cpuUsPerRequest: number }} Round
 * @typedef {'ours' | 'autocannon' | 'undici' | 'paced' | 'floor'} Name
 */
const NAMES = /** @type {Name[]} */ (['ours', 'autocannon', 'undici', 'paced', 'floor']);

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const rounds = quick ? 2 : 6;
  const seconds = quick ? 3 : 5;
  const bed = await makeBed('sender');
  try {
    const { port } = await nextMessage(bed.start('./stub-server.mjs', '0'));
    const serviceUs = String(1e6 / RATE_PER_SECOND);
    const queue = await nextMessage(bed.start('./stub-server.mjs', serviceUs));
    const generators = {
      ours: await ours(bed, port),
      autocannon: await other(bed, port, 'autocannon'),
      undici: await other(bed, port, 'undici'),
      paced: await other(bed, queue.port, 'paced'),
      floor: await other(bed, port, 'floor'),
    };
    // Compiling costs tens of us a request in the first second or two; none of them is judged by it.
    for (const name of NAMES) await generators[name].load('warmup', 2);
    /** @type {Record<Name, Round[]>} */
    const measured = { ours: [], autocannon: [], undici: [], paced: [], floor: [] };
    for (let round = 0; round < rounds; round += 1) {
      for (const name of round % 2 === 0 ? NAMES : NAMES.toReversed()) {
        measured[name].push(await measure(generators[name], seconds));
      }
    }
    const lagsUs = (await bed.operations('measured')).map((one) => one.sentUs - one.scheduledUs);
    return judge(measured, summarize(lagsUs).p99Us, seconds);
  } finally {
    await bed.remove();
  }
}

/**
 * @param {Awaited<ReturnType<typeof makeBed>>} bed
 * @param {number} port
 * @returns {Promise<Generator>}
 */
async function ours(bed, port) {
  const sender = await bed.startSender({ port, maxConnections: CONNECTIONS });
  return {
    pid: sender.pid,
    async load(phase, seconds) {
      const before = await sender.totals();
      await sender.run(phase, constantRate(RATE_PER_SECOND, seconds * 1000), 1);
      return (await sender.totals()).completed - before.completed;
    },
  };
}

/**
 * @param {Awaited<ReturnType<typeof makeBed>>} bed
 * @param {number} port
 * @param {string} name
 * @returns {Promise<Generator>}
 */
async function other(bed, port, name) {
  const child = bed.start('./other-client.mjs', name);
  await nextMessage(child);
  return {
    pid: /** @type {number} */ (child.pid),
    async load(_phase, seconds) {
      const answer = nextMessage(child);
      const round = { port, seconds, ratePerSecond: RATE_PER_SECOND, connections: CONNECTIONS };
      child.send(round);
      return (await answer).answered;
    },
  };
}

/**
 * @param {Generator} generator
 * @param {number} seconds
 * @returns {Promise<Round>}
 */
async function measure(generator, seconds) {
  const beforeUs = cpuUs(generator.pid);
  const answered = await generator.load('measured', seconds);
  return { answered, cpuUsPerRequest: (cpuUs(generator.pid) - beforeUs) / answered };
}

/**
 * @param {Record<Name, Round[]>} measured
 * @param {number} lagP99Us
 * @param {number} seconds
 */
function judge(measured, lagP99Us, seconds) {
  const planned = RATE_PER_SECOND * seconds;
  const pacedAnswers = measured.paced.reduce((sum, round) => sum + round.answered, 0);
  const pacedPerSecond = pacedAnswers / (measured.paced.length * seconds);
  const medians = {
    ours: median(measured.ours),
    autocannon: median(measured.autocannon),
    undici: median(measured.undici),
    paced: median(measured.paced),
    floor: median(measured.floor),
  };
  const ratio = medians.ours / medians.autocannon;
  // A generator that misses the rate would be compared at another load. The last two are not judged.
  const onRate = NAMES.slice(0, 3).every((name) =>
    measured[name].every(({ answered }) => Math.abs(answered / planned - 1) < 0.1),
  );
  const ok = onRate && ratio <= MAX_RATIO && lagP99Us < MAX_LAG_P99_US;
  const lines = [
    `${RATE_PER_SECOND}/s, up to ${CONNECTIONS} connections, ${measured.ours.length} rounds of ${seconds} s each, alternating`,
    ...NAMES.map((name) => {
      const each = measured[name].map((round) => round.cpuUsPerRequest.toFixed(1)).join(' ');
      return `${name.padEnd(12)}${medians[name].toFixed(1).padStart(6)} us CPU for each request  (${each})`;
    }),
    `ours / autocannon ${ratio.toFixed(2)} (at most ${MAX_RATIO}), undici / autocannon ${(medians.undici / medians.autocannon).toFixed(2)}`,
    `paced at ${Math.round(pacedPerSecond)}/s; floor / autocannon ${(medians.floor / medians.autocannon).toFixed(2)}, ours / paced ${(medians.ours / medians.paced).toFixed(2)}`,
    `send lag p99 ${(lagP99Us / 1000).toFixed(2)} ms (below ${MAX_LAG_P99_US / 1000} ms)`,
    ...(onRate ? [] : ['a generator missed its rate by 10 % or more: nothing is compared']),
  ];
  return { ok, lines, data: { planned, medians, ratio, lagP99Us, onRate, rounds: measured } };
}

/** @param {Round[]} rounds */
function median(rounds) {
  const sorted = rounds.map((round) => round.cpuUsPerRequest).toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
