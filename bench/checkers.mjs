/**
 * Checkers at the scale of a load test: right histories of 10,000 to 1,000,000 operations through each of them, in
 * a process of its own. CPU time counts, all threads of it, so that "on one core" needs no pinning.
 *
 * Bounds: a million operations in less than 5 s of CPU and less than three times the memory of the history they are
 * given; growth below n^1.4. All are linear or n log n, which is n^1.09 from 10,000 to 1,000,000; the rest is the
 * caches of the processor, which hold the smallest history and not the largest.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const title = 'a million operations through each checker: CPU, memory, growth';

const CHECKERS = ['sessions', 'exactly-once', 'recent-view', 'little', 'attempts', 'recovery'];
const MAX_CPU_MS = 5_000;
const MAX_GROWTH = 1.4;
const MAX_MEMORY_RATIO = 3;
const LIMIT_MS = 120_000;
const run1 = promisify(execFile);

/** @typedef {{ cpuMs: number, inputMb: number, peakMb: number, holds: boolean }} Measured */

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const sizes = quick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000];
  /** @type {Record<string, { sizes: Record<number, Measured>, exponent: number }>} */
  const data = {};
  const lines = [];
  let ok = true;
  for (const name of CHECKERS) {
    /** @type {Record<number, Measured>} */
    const bySize = {};
    for (const size of sizes) bySize[size] = await measure(name, size);
    const [first, last] = [sizes[0] ?? 1, sizes.at(-1) ?? 1];
    const [small, large] = [bySize[first], bySize[last]];
    if (small === undefined || large === undefined) throw new Error('nothing was measured');
    const exponent = Math.log(large.cpuMs / small.cpuMs) / Math.log(last / first);
    const memory = large.peakMb / large.inputMb;
    const within =
      Object.values(bySize).every(({ holds }) => holds) &&
      large.cpuMs < MAX_CPU_MS &&
      (quick || (exponent < MAX_GROWTH && memory < MAX_MEMORY_RATIO));
    ok &&= within;
    data[name] = { sizes: bySize, exponent };
    const times = sizes.map(
      (size) => `${size / 1_000}k ${Number(bySize[size]?.cpuMs.toPrecision(2))} ms`,
    );
    lines.push(
      `${name.padEnd(13)} ${times.join(', ')}; n^${exponent.toFixed(2)}; ` +
        `${large.peakMb.toFixed(0)} MB of which ${large.inputMb.toFixed(0)} MB history` +
        (within ? '' : '  OUT OF BOUNDS'),
    );
  }
  return { ok, lines, data };
}

/** @param {string} name @param {number} size @returns {Promise<Measured>} */
async function measure(name, size) {
  const module = fileURLToPath(new URL('./checkers-process.mjs', import.meta.url));
  const args = ['--expose-gc', '--max-old-space-size=4096', module, name, String(size)];
  const { stdout } = await run1(process.execPath, args, { timeout: LIMIT_MS });
  return JSON.parse(stdout);
}
