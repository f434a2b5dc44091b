/**
 * Do 20 times the logins slow the checks of everybody who is logged in? Turn 1's `after` on its own testbed: four
 * gateway processes, PostgreSQL and Redis, the drill's baseline and its login storm in windows that alternate
 * (A B B A), each with arrivals of its own. A storm's logins are all answered before the next window begins.
 *
 * Bound: p99 of the checks in the storm at most 1.2 times that of the baseline beside it, median of the rounds. The
 * same ratio between the two baselines that meet shows what the machine does by itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { turn1 } from '../dist/scenarios/turn1.js';
import { monotonicUs } from '../dist/sim/effects/load/engine/monotonic-clock.js';
import { readHistory } from '../dist/sim/effects/load/engine/read-history.js';
import { startSender } from '../dist/sim/effects/load/engine/sender.js';
import { machinePinPlan } from '../dist/sim/effects/process/pin-machine.js';
import { startTestbed } from '../dist/sim/effects/testbed/testbed.js';
import { armOf } from '../dist/sim/plan/plan.js';
import { resolve } from '../dist/sim/plan/resolve.js';
import { summarize } from '../dist/sim/pure/measure/histogram.js';

export const title = 'p99 of session checks under 20 times the logins';

const MAX_RATIO = 1.2;

const after = armOf(resolve(turn1, { quick: true, seed: 1 }), 'after');

/**
 * @typedef {import('../dist/sim/pure/load/workload.js').Workload} Workload
 * @typedef {import('../dist/sim/effects/testbed/testbed.js').Testbed} Testbed
 * @typedef {import('../dist/sim/effects/load/engine/sender.js').Sender} Sender
 * @typedef {{ p50Us: number, p99Us: number, checks: number, errors: number, logins: number }} Stretch
 * @typedef {{ baseline: Stretch, storm: Stretch }} Round
 */

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const rounds = quick ? 4 : 10;
  const windowMs = quick ? 2_000 : 5_000;
  const folder = await mkdtemp(path.join(tmpdir(), 'platform-bench-'));
  /** @type {(() => Promise<void>)[]} */
  const endings = [() => rm(folder, { recursive: true, force: true })];
  try {
    const testbed = await openTestbed(folder);
    endings.push(() => testbed.stop());
    const historyFile = path.join(folder, 'history.ndjson');
    const sender = await startSender({
      targets: testbed.targets,
      ...{ accountsFile: testbed.accountsFile, historyFile, requestIdPrefix: 'bench-' },
      ...{ originUs: monotonicUs(), timeoutMs: 10_000, maxConnections: 1_000 },
      ...{ lease: testbed.lease, logFile: path.join(folder, 'sender.log') },
    });
    endings.push(() => sender.close());
    const measured = await alternate(sender, { historyFile, rounds, windowMs });
    return judge(measured, windowMs);
  } finally {
    for (const end of endings.reverse()) await end();
  }
}

/**
 * @param {string} folder
 * @returns {Promise<Testbed>}
 */
async function openTestbed(folder) {
  const { topology } = after;
  const edges = topology.edges.map((edge) => ({ ...edge, proxied: false }));
  return startTestbed({
    runId: `bench-login-storm-${process.pid}`,
    logFolder: path.join(folder, 'logs'),
    topology: { ...topology, edges },
    seed: 1,
    cores: machinePinPlan(),
    onNote: () => {},
  });
}

/**
 * @param {Sender} sender
 * @param {{ historyFile: string, rounds: number, windowMs: number }} options
 * @returns {Promise<Round[]>}
 */
async function alternate(sender, { historyFile, rounds, windowMs }) {
  await sender.run('warm-up', phase('warm-up'), 1);
  // Code is compiled, connections and the hashing processes are there.
  for (const name of ['baseline', 'login-storm', 'baseline'])
    await sender.run('warm-up', phase(name, 2_000), 1);
  const kinds = /** @type {const} */ (['baseline', 'storm']);
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const name = kind === 'storm' ? 'login-storm' : 'baseline';
      await sender.run(`${kind}.${round}`, phase(name, windowMs), 1 + round);
    }
  }
  /** @type {Map<string, import('../dist/sim/history.js').OperationRecord[]>} */
  const byWindow = new Map();
  for await (const record of readHistory(historyFile)) {
    if (record.kind !== 'op') continue;
    const window = byWindow.get(record.phase) ?? [];
    window.push(record);
    byWindow.set(record.phase, window);
  }
  const stretch = (/** @type {string} */ name) => stretchOf(byWindow.get(name) ?? []);
  return Array.from({ length: rounds }, (_, round) => ({
    baseline: stretch(`baseline.${round}`),
    storm: stretch(`storm.${round}`),
  }));
}

/**
 * A phase of turn 1, as long as a window.
 * @param {string} name
 * @param {number} [durationMs]
 * @returns {Workload}
 */
function phase(name, durationMs) {
  const found = after.phases.find((one) => one.name === name);
  if (!found) throw new Error(`turn 1 has no phase ${name}`);
  const workload = /** @type {Workload} */ (found.load);
  if (durationMs === undefined || workload.kind !== 'open') return workload;
  return { ...workload, stages: workload.stages.map((stage) => ({ ...stage, durationMs })) };
}

/**
 * @param {import('../dist/sim/history.js').OperationRecord[]} operations
 * @returns {Stretch}
 */
function stretchOf(operations) {
  const checks = operations.filter(({ name }) => name === 'check');
  const { p50Us, p99Us } = summarize(checks.map((one) => one.doneUs - one.scheduledUs));
  return {
    ...{ p50Us, p99Us, checks: checks.length },
    errors: checks.filter(({ outcome }) => outcome !== 'ok').length,
    logins: operations.filter(({ name, outcome }) => name === 'login' && outcome === 'ok').length,
  };
}

/**
 * @param {Round[]} rounds
 * @param {number} windowMs
 */
function judge(rounds, windowMs) {
  const ratio = median(rounds.map(({ baseline, storm }) => storm.p99Us / baseline.p99Us));
  const noise = median(
    rounds.slice(1).map(({ baseline }, index) => {
      const before = /** @type {Round} */ (rounds[index]).baseline.p99Us;
      return Math.max(baseline.p99Us, before) / Math.min(baseline.p99Us, before);
    }),
  );
  const errors = rounds.reduce((sum, one) => sum + one.baseline.errors + one.storm.errors, 0);
  const logins = rounds.reduce((sum, one) => sum + one.storm.logins, 0);
  const line = (/** @type {'baseline' | 'storm'} */ kind) => {
    const of = (/** @type {'p50Us' | 'p99Us'} */ key) =>
      (median(rounds.map((round) => round[kind][key])) / 1_000).toFixed(2).padStart(8);
    const each = rounds.map((round) => (round[kind].p99Us / 1_000).toFixed(1)).join(' ');
    return `${kind.padEnd(10)}${of('p50Us')}${of('p99Us')}  (p99 each: ${each})`;
  };
  const lines = [
    `${rounds.length} rounds of two windows of ${windowMs / 1_000} s, alternating; checks, ms from the scheduled instant, medians`,
    `${''.padEnd(10)}${'p50'.padStart(8)}${'p99'.padStart(8)}`,
    line('baseline'),
    line('storm'),
    `storm / baseline ${ratio.toFixed(2)} (at most ${MAX_RATIO}); baseline against the one before ${noise.toFixed(2)}`,
    `${logins} logins in the storms, ${errors} checks not answered ok`,
  ];
  const ok = ratio <= MAX_RATIO && errors === 0 && logins > 0;
  return { ok, lines, data: { ratio, noise, errors, logins, rounds } };
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
