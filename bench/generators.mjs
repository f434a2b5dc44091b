/**
 * What each generator of `--load` says of the same stalled server: one that answers at once, stopped for S seconds
 * of a run of T under a constant rate. Whoever arrives during the stall waits for its rest, so the quantiles are
 * known beforehand (honesty.mjs): quantile(q) = S (1 - (1 - q) / f) with f = S / T. Ours and undici keep our
 * schedule and must show it; k6 and autocannon keep their own, and what they show is printed beside it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '../dist/sim/effects/process/find-program.js';
import { LOAD_TOOLS, timesFromSend } from '../dist/sim/pure/load/load-tool.js';
import { summarize } from '../dist/sim/pure/measure/histogram.js';
import { constantRate, makeBed, nextMessage } from './bed.mjs';

export const title = 'what each generator says of a stalled server';

const RATE_PER_SECOND = 200;
const BOUND = 0.05;

/** @typedef {import('./bed.mjs').LoadTool} LoadTool */
/** @typedef {{ tool: LoadTool | null, answered: number, unsent: number, p95Us: number, p99Us: number, stalledMs: number }} Said */

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const stallMs = quick ? 500 : 1_000;
  const runMs = quick ? 5_000 : 10_000;
  /** @type {Said[]} */
  const said = [];
  for (const tool of [null, ...LOAD_TOOLS]) {
    if (tool === 'k6' && findProgram('k6') === null) continue;
    said.push(await hear(tool, stallMs, runMs));
  }
  return judge(said, runMs);
}

/**
 * @param {LoadTool | null} tool
 * @param {number} stallMs
 * @param {number} runMs
 * @returns {Promise<Said>}
 */
async function hear(tool, stallMs, runMs) {
  const bed = await makeBed(`generators-${tool ?? 'ours'}`);
  try {
    const server = bed.start('./stub-server.mjs', '0');
    const { port } = await nextMessage(server);
    const sender = await bed.startSender({ port, maxConnections: 1_000, tool });
    await sender.run('warmup', constantRate(RATE_PER_SECOND, 1_000), 1);
    const load = constantRate(RATE_PER_SECOND, runMs);
    await sender.prepare(load, 1);
    const running = sender.run('stall', load, 1);
    await sleep(runMs * 0.4);
    server.kill('SIGSTOP');
    const stoppedMs = performance.now();
    await sleep(stallMs);
    server.kill('SIGCONT');
    const stalledMs = performance.now() - stoppedMs;
    await running;
    const operations = await bed.operations('stall');
    const sent = operations.filter(({ sentUs }) => sentUs !== -1);
    const { p95Us, p99Us } = summarize(sent.map((one) => one.doneUs - one.scheduledUs));
    const answered = operations.filter(({ outcome }) => outcome === 'ok').length;
    return { tool, answered, unsent: operations.length - sent.length, p95Us, p99Us, stalledMs };
  } finally {
    await bed.remove();
  }
}

/**
 * @param {Said[]} said
 * @param {number} runMs
 */
function judge(said, runMs) {
  let ok = true;
  const lines = said.map(({ tool, answered, unsent, p95Us, p99Us, stalledMs }) => {
    const exact = (/** @type {number} */ q) => stalledMs * (1 - ((1 - q) * runMs) / stalledMs);
    const pair = [
      { ms: p95Us / 1000, exactMs: exact(0.95) },
      { ms: p99Us / 1000, exactMs: exact(0.99) },
    ];
    // Draining the queue takes a little too, which p95 shows; honesty.mjs knows the capacity and judges both.
    const { ms, exactMs } = pair[1];
    if (!timesFromSend(tool) && Math.abs(ms / exactMs - 1) > BOUND) ok = false;
    const [p95, p99] = pair.map(
      ({ ms, exactMs }) => `${ms.toFixed(0)} of ${exactMs.toFixed(0)} ms`,
    );
    const name = (tool ?? 'ours').padEnd(12);
    return `${name}p95 ${p95}, p99 ${p99}  (${answered} answered, ${unsent} never sent)`;
  });
  const head = `${RATE_PER_SECOND}/s for ${runMs / 1000} s, the server stopped once: said of exact`;
  return { ok, lines: [head, ...lines], data: { said } };
}
