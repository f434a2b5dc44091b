/**
 * The proof that the instrument does not omit what it waits for. A server of known capacity is stopped once,
 * for S seconds of a run of T, under an open constant rate. Whoever arrives during the stall, or while its queue
 * drains, waits; the waits fall linearly from S to 0, so the reported quantiles are known beforehand:
 *
 *   wait                          f = S / (T (1 - rho)), the share of arrivals that waits
 *    S |\                         quantile(q) = S (1 - (1 - q) / f)   for 1 - q < f
 *      | \
 *    0 |  \______  arrivals       rho = rate / capacity; capacity is measured first, without our sender
 *
 * Beside it stands what a closed loop that times from the send would have printed.
 */
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { summarize } from '../dist/sim/pure/measure/histogram.js';
import { constantRate, makeBed, nextMessage } from './bed.mjs';

export const title = 'percentiles of a stalled server against their closed form, within 5 %';

const RATE_PER_SECOND = 500;
const SERVICE_US = 500;
const BOUND = 0.05;

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const stallMs = quick ? 500 : 1_000;
  const runMs = quick ? 8_000 : 20_000;
  const bed = await makeBed('honesty');
  try {
    const server = bed.start('./stub-server.mjs', String(SERVICE_US));
    const { port } = await nextMessage(server);
    const rho = RATE_PER_SECOND / (await capacityPerSecond(port));
    const sender = await bed.startSender({ port, maxConnections: 256 });
    // Connections and compiled code exist before the clock of the proof starts.
    await sender.run('warmup', constantRate(RATE_PER_SECOND, 500), 1);
    const running = sender.run('stall', constantRate(RATE_PER_SECOND, runMs), 1);
    await sleep(runMs * 0.4);
    const stalledMs = await stall(server, stallMs);
    const { planned } = await running;
    return judge(await bed.operations('stall'), planned, { stalledMs, runMs, rho });
  } finally {
    await bed.remove();
  }
}

/**
 * Saturates the server for a second with a plain client.
 * @param {number} port
 */
async function capacityPerSecond(port) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const startMs = performance.now();
  let answered = 0;
  const askAgain = async () => {
    while (performance.now() - startMs < 1_000) {
      await new Promise((resolve, reject) => {
        const request = get({ host: '127.0.0.1', port, agent }, (response) => {
          response.resume().once('end', resolve).once('error', reject);
        });
        request.once('error', reject).setTimeout(5_000, () => request.destroy());
      });
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: 16 }, askAgain));
  const seconds = (performance.now() - startMs) / 1000;
  agent.destroy();
  return answered / seconds;
}

/**
 * Stops the whole process and returns how long it really was stopped.
 * @param {import('./bed.mjs').ChildProcess} server
 * @param {number} stallMs
 */
async function stall(server, stallMs) {
  server.kill('SIGSTOP');
  const stoppedMs = performance.now();
  await sleep(stallMs);
  server.kill('SIGCONT');
  return performance.now() - stoppedMs;
}

/**
 * @param {import('./bed.mjs').OperationRecord[]} operations
 * @param {number} planned
 * @param {{ stalledMs: number, runMs: number, rho: number }} given
 */
function judge(operations, planned, { stalledMs, runMs, rho }) {
  const share = stalledMs / (runMs * (1 - rho));
  const reported = summaryOf(operations.map((one) => one.doneUs - one.scheduledUs));
  const raw = summaryOf(closedLoop(operations));
  const rows = [0.975, 0.99, 0.999].map((q) => {
    const expectedMs = stalledMs * (1 - (1 - q) / share);
    const reportedMs = reported(q);
    return { q, expectedMs, reportedMs, error: reportedMs / expectedMs - 1, closedLoopMs: raw(q) };
  });
  const complete = operations.length === planned && operations.every((one) => one.outcome === 'ok');
  const ok = complete && rows.every((row) => Math.abs(row.error) <= BOUND);
  const lines = [
    `${RATE_PER_SECOND}/s for ${runMs / 1000} s, stalled ${stalledMs.toFixed(0)} ms, rho ${rho.toFixed(3)},` +
      ` ${operations.length} of ${planned} arrivals recorded`,
    '         expected ms  reported ms    error  closed loop, from the send',
    ...rows.map(
      (row) =>
        `p${(row.q * 100).toFixed(1)} ${row.expectedMs.toFixed(1).padStart(14)}` +
        ` ${row.reportedMs.toFixed(1).padStart(12)} ${`${(row.error * 100).toFixed(1)} %`.padStart(8)}` +
        `  ${row.closedLoopMs.toFixed(1)} ms`,
    ),
  ];
  return { ok, lines, data: { stalledMs, runMs, rho, planned, recorded: operations.length, rows } };
}

/**
 * The same run as one waiting client would have sampled it: it skips every send that fell while its own
 * request was out, or that our sender itself held back.
 * @param {import('./bed.mjs').OperationRecord[]} operations
 */
function closedLoop(operations) {
  const latenciesUs = [];
  let freeAtUs = 0;
  for (const { scheduledUs, sentUs, doneUs } of operations.toSorted((a, b) => a.id - b.id)) {
    if (scheduledUs < freeAtUs) continue;
    latenciesUs.push(doneUs - sentUs);
    freeAtUs = doneUs;
  }
  return latenciesUs;
}

/** @param {number[]} latenciesUs */
function summaryOf(latenciesUs) {
  const { p99Us, p999Us } = summarize(latenciesUs);
  const sorted = latenciesUs.toSorted((a, b) => a - b);
  /** @param {number} q */
  return (q) => {
    // The two quantiles a result prints come from the code that prints them.
    if (q === 0.99) return p99Us / 1000;
    if (q === 0.999) return p999Us / 1000;
    return sorted[Math.ceil(q * sorted.length) - 1] / 1000;
  };
}
