/**
 * What our fault proxy costs while it does nothing: the latency it adds to an HTTP request and its CPU for each,
 * beside Toxiproxy's and a direct connection. One client, one request at a time on a kept connection, so that no
 * queue hides the hop; rounds alternate forwards and backwards (A B C C B A). Ours reads every frame meanwhile,
 * Toxiproxy passes bytes. Without Toxiproxy (PATH, the cache, or `go install`) ours is shown beside direct alone.
 *
 * Bounds: added p50 at most 3 times Toxiproxy's.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { startProxy } from '../dist/sim/effects/faults/proxy/proxy.js';
import { cacheFolder } from '../dist/sim/effects/process/cache.js';
import { startChild, waitUntilReady } from '../dist/sim/effects/process/child-process.js';
import { findProgram } from '../dist/sim/effects/process/find-program.js';
import { freePort } from '../dist/sim/effects/process/free-port.js';
import { createLease } from '../dist/sim/effects/process/lease.js';
import { cpuUs, makeBed, nextMessage } from './bed.mjs';

export const title = 'what the fault proxy adds without a fault, beside Toxiproxy';

const MAX_RATIO = 3;
const INSTALL_LIMIT_MS = 120_000;
const READY_LIMIT_MS = 10_000;
const VERSION = 'v2.5.0';
const MODULE = `github.com/Shopify/toxiproxy/v2/cmd/server@${VERSION}`;

/**
 * @typedef {import('../dist/sim/effects/process/lease.js').Lease} Lease
 * @typedef {{ port: number, pid: number | null }} Path
 * @typedef {{ p50Us: number, p99Us: number, cpuUs: number }} Round
 * @typedef {Record<string, Round[]>} Rounds
 */

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const rounds = quick ? 4 : 10;
  const requests = quick ? 1_000 : 2_000;
  const bed = await makeBed('proxy');
  const folder = await mkdtemp(path.join(tmpdir(), 'platform-bench-proxy-'));
  const lease = createLease({ runId: `bench-proxies-${process.pid}`, cache: folder });
  /** @type {(() => Promise<void>)[]} */
  const endings = [];
  try {
    const { port } = await nextMessage(bed.start('./stub-server.mjs', '0'));
    /** @type {Record<string, Path>} */
    const paths = { direct: { port, pid: null } };
    paths.ours = await ours(lease, folder, port, endings);
    const toxiproxy = await findToxiproxy();
    if (toxiproxy.program !== null) {
      paths.toxiproxy = await theirs(lease, folder, port, toxiproxy.program, endings);
    }
    // Compiling costs the most in the first thousands of requests.
    for (const one of Object.values(paths)) await measure(one, 5_000);
    /** @type {Rounds} */
    const measured = Object.fromEntries(Object.keys(paths).map((name) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      const names = round % 2 === 0 ? Object.keys(paths) : Object.keys(paths).toReversed();
      for (const name of names) measured[name].push(await measure(paths[name], requests));
    }
    return judge(measured, requests, toxiproxy.note);
  } finally {
    for (const end of endings.reverse()) await end();
    await bed.remove();
    await lease.release();
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * @param {Lease} lease
 * @param {string} folder
 * @param {number} port
 * @param {(() => Promise<void>)[]} endings
 * @returns {Promise<Path>}
 */
async function ours(lease, folder, port, endings) {
  const upstream = { host: '127.0.0.1', port };
  const proxy = await startProxy({
    lease,
    logFile: path.join(folder, 'proxy.log'),
    cores: null,
    seed: 1,
    routes: [{ name: 'client->stub', protocol: 'http', upstream, base: null }],
  });
  endings.push(() => proxy.close());
  return { port: proxy.addressOf('client->stub').port, pid: proxy.pid };
}

/**
 * @param {Lease} lease
 * @param {string} folder
 * @param {number} port
 * @param {string} program
 * @param {(() => Promise<void>)[]} endings
 * @returns {Promise<Path>}
 */
async function theirs(lease, folder, port, program, endings) {
  const control = await freePort();
  const child = await startChild({
    name: 'toxiproxy',
    // The priority ours gets; nice goes on without it where it may not raise one.
    command: 'nice',
    args: ['-n', '-10', program, '-host', '127.0.0.1', '-port', `${control}`],
    env: { PATH: process.env.PATH, LOG_LEVEL: 'error' },
    cwd: folder,
    logFile: path.join(folder, 'toxiproxy.log'),
    user: null,
    cores: null,
    lease,
    stopSignals: ['SIGTERM'],
  });
  endings.push(() => child.stop());
  const listen = await freePort();
  const body = { name: 'stub', listen: `127.0.0.1:${listen}`, upstream: `127.0.0.1:${port}` };
  await waitUntilReady(
    child,
    async () => {
      const url = `http://127.0.0.1:${control}/proxies`;
      const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
      return answer.status === 201 ? true : null;
    },
    { limitMs: READY_LIMIT_MS },
  );
  return { port: listen, pid: child.pid };
}

/** @returns {Promise<{ program: string | null, note: string }>} */
async function findToxiproxy() {
  const folder = path.join(cacheFolder(), 'toxiproxy', VERSION);
  const installed = path.join(folder, 'server');
  const onPath = findProgram('toxiproxy-server', process.env);
  const exec = promisify(execFile);
  try {
    if (onPath !== null) {
      const { stdout } = await exec(onPath, ['-version'], { timeout: READY_LIMIT_MS });
      return { program: onPath, note: `${onPath}: ${stdout.trim()}` };
    }
    if (!existsSync(installed)) {
      const env = { ...process.env, GOBIN: folder };
      await exec('go', ['install', MODULE], { env, timeout: INSTALL_LIMIT_MS });
    }
    return { program: installed, note: `Toxiproxy ${VERSION}, built by go install` };
  } catch (error) {
    const reason = /** @type {Error} */ (error).message.split('\n', 1)[0];
    return { program: null, note: `Toxiproxy cannot be had, nothing is compared: ${reason}` };
  }
}

/**
 * @param {Path} target
 * @param {number} requests
 * @returns {Promise<Round>}
 */
async function measure({ port, pid }, requests) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const ask = Buffer.from('GET / HTTP/1.1\r\nhost: stub\r\n\r\n');
  const beforeUs = pid === null ? 0 : cpuUs(pid);
  const timesUs = new Float64Array(requests);
  await new Promise((resolve, reject) => {
    let sent = 0;
    let sentAtMs = 0;
    const next = () => {
      sentAtMs = performance.now();
      socket.write(ask);
    };
    // The stub's answer is smaller than a segment and ends with its body.
    socket.on('data', (chunk) => {
      if (!chunk.toString('latin1').endsWith('\r\n\r\nok')) reject(new Error(`got ${chunk}`));
      timesUs[sent] = (performance.now() - sentAtMs) * 1_000;
      sent += 1;
      if (sent === requests) resolve(undefined);
      else next();
    });
    socket.on('error', reject);
    socket.on('end', () => reject(new Error('the connection was closed')));
    next();
  });
  socket.destroy();
  timesUs.sort();
  return {
    p50Us: timesUs[Math.floor(requests * 0.5)],
    p99Us: timesUs[Math.floor(requests * 0.99)],
    cpuUs: pid === null ? 0 : (cpuUs(pid) - beforeUs) / requests,
  };
}

/**
 * @param {Rounds} measured
 * @param {number} requests
 * @param {string} note
 */
function judge(measured, requests, note) {
  const { direct } = measured;
  const summary = Object.entries(measured).map(([name, rounds]) => ({
    name,
    p50Us: median(rounds.map((round) => round.p50Us)),
    p99Us: median(rounds.map((round) => round.p99Us)),
    addedP50Us: median(rounds.map((round, index) => round.p50Us - direct[index].p50Us)),
    addedP99Us: median(rounds.map((round, index) => round.p99Us - direct[index].p99Us)),
    cpuUs: median(rounds.map((round) => round.cpuUs)),
  }));
  const added = (/** @type {string} */ name) =>
    summary.find((one) => one.name === name)?.addedP50Us;
  const theirs = added('toxiproxy');
  const ratio = theirs === undefined ? null : /** @type {number} */ (added('ours')) / theirs;
  const lines = [
    `HTTP, 1 connection, ${direct.length} rounds of ${requests} requests each, alternating; medians of the rounds, in us`,
    `${'path'.padEnd(12)}${'p50'.padStart(8)}${'p99'.padStart(8)}${'added p50'.padStart(12)}${'added p99'.padStart(12)}${'CPU each'.padStart(12)}`,
    ...summary.map((one) =>
      [
        one.name.padEnd(12),
        one.p50Us.toFixed(0).padStart(8),
        one.p99Us.toFixed(0).padStart(8),
        one.name === 'direct' ? '' : one.addedP50Us.toFixed(0).padStart(12),
        one.name === 'direct' ? '' : one.addedP99Us.toFixed(0).padStart(12),
        one.name === 'direct' ? '' : one.cpuUs.toFixed(0).padStart(12),
      ].join(''),
    ),
    note,
    ...(ratio === null
      ? []
      : [`added p50, ours / Toxiproxy ${ratio.toFixed(2)} (at most ${MAX_RATIO})`]),
  ];
  const ok = ratio === null || ratio <= MAX_RATIO;
  return { ok, lines, data: { paths: summary, ratio, note, rounds: measured } };
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
