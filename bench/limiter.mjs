/**
 * What an exact limit costs: one decision and one active user, beside fixed window, token bucket, GCRA, a sliding
 * counter and rate-limiter-flexible on the same Redis in alternating rounds. 10,000 active users, limit 100.
 *
 * Bounds: a caller waits for one decision at most 1.3 times as long as for the cheaper of the library and the sliding
 * counter, and a user whose window is full takes at most 1,500 bytes. Shown beside it: Redis' own CPU, and what the
 * caller's process and Redis manage together when 64 are on their way. Exactness costs memory; the table says how much.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openRedis } from '../dist/services/gateway/redis-clients.js';
import { limiterCosts } from '../dist/services/rate-limit/comparison/compare.js';
import { seededRandom } from '../dist/services/rate-limit/comparison/seeded-random.js';
import { createLease } from '../dist/sim/effects/process/lease.js';
import { newPassword } from '../dist/sim/effects/testbed/stores/credentials.js';
import { startRedis } from '../dist/sim/effects/testbed/stores/redis-process.js';

export const title = 'time and memory of an exact limit beside others';

const MAX_TIME_RATIO = 1.3;
const MAX_BYTES = 1_500;

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const folder = await mkdtemp(path.join(tmpdir(), 'platform-bench-'));
  const lease = createLease({ runId: `bench-limiter-${process.pid}`, cache: folder });
  /** @type {(() => unknown)[]} */
  const endings = [() => rm(folder, { recursive: true, force: true }), () => lease.release()];
  try {
    const logFile = path.join(folder, 'redis.log');
    const password = newPassword();
    const server = await startRedis({ lease, cores: null, user: null, logFile, password });
    endings.push(() => server.stop());
    const costs = await limiterCosts({
      connect() {
        const redis = openRedis(server.url, () => {});
        endings.push(() => redis.disconnect());
        return redis;
      },
      ...{ keyPrefix: 'bench:', limit: 100, users: 10_000, random: seededRandom(1) },
      ...{ rounds: quick ? 5 : 11, decisions: quick ? 2_000 : 5_000 },
    });
    return judge(costs);
  } finally {
    for (const end of endings.reverse()) await end();
  }
}

/** @param {Awaited<ReturnType<typeof limiterCosts>>} costs */
function judge(costs) {
  const of = (/** @type {string} */ id) => {
    const cost = costs.get(id);
    if (!cost) throw new Error(`nothing was measured of ${id}`);
    return cost;
  };
  const ours = of('ours');
  const ratio = (/** @type {'roundTripUs' | 'cpuUsPerDecision' | 'wallUsPerDecision'} */ key) =>
    ours[key] / Math.min(of('library')[key], of('two-windows')[key]);
  const timeRatio = ratio('roundTripUs');
  const cpuRatio = ratio('cpuUsPerDecision');
  const bytes = ours.bytesPerUser;
  const row = (/** @type {(string | number)[]} */ cells) =>
    cells
      .map((cell, index) => (index === 0 ? `${cell}`.padEnd(14) : `${cell}`.padStart(10)))
      .join('');
  const lines = [
    '10,000 active users, limit 100; medians of alternating rounds',
    row(['', 'alone us', 'of 64 us', 'Redis us', 'commands', 'bytes']),
    ...[...costs].map(([id, cost]) =>
      row([
        id,
        cost.roundTripUs.toFixed(1),
        cost.wallUsPerDecision.toFixed(1),
        cost.cpuUsPerDecision.toFixed(1),
        cost.commandsPerDecision.toFixed(1),
        cost.bytesPerUser.toFixed(0),
      ]),
    ),
    `a decision alone ${timeRatio.toFixed(2)} times the cheapest (at most ${MAX_TIME_RATIO}); of 64 ${ratio('wallUsPerDecision').toFixed(2)}, of Redis' CPU ${cpuRatio.toFixed(2)} times`,
    `${bytes.toFixed(0)} bytes per active user (at most ${MAX_BYTES})`,
  ];
  const ok = timeRatio <= MAX_TIME_RATIO && bytes <= MAX_BYTES;
  return { ok, lines, data: { timeRatio, cpuRatio, bytes, costs: Object.fromEntries(costs) } };
}
