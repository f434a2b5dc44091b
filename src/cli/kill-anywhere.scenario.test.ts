// kill -9 of the command at 20 random moments of a run with every kind of node (a database pair, a cluster, programs, a
// receiver), and at 8 of a turn: whatever it had started is gone soon after. Three runs at a time on one cache, so that reapers and next runs clean up side by side. With the reaper killed as well, doctor
// names what is left and removes it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cacheFolder } from '../sim/effects/process/cache.ts';
import { createRandom } from '../sim/pure/random.ts';
import { runCommand } from './fixtures/command.ts';
import { findRemainsOf, type KilledRun, killAt, linkCache } from './fixtures/killed-run.ts';

const SEED = 20260504;
const LANES = 3;
/** A reaper gives up after 15 s. */
const REAPER_MS = 16_000;
const TURN = ['sim', 'turn1', '--quick', '--quiet', '--design', 'after'];
const SHOP = [
  'sim',
  fileURLToPath(new URL('./fixtures/shop-scenario.mjs', import.meta.url)),
  '--quiet',
];
/** `overMs`: long enough for the start and for every fault. */
const RUNS = [
  { argv: SHOP, kills: 20, overMs: 11_000 },
  { argv: TURN, kills: 8, overMs: 22_000 },
];
const KILLS = RUNS.reduce((sum, { kills }) => sum + kills, 0);

let cwd = '';
let cache = '';
beforeAll(async () => {
  cwd = mkdtempSync(path.join(tmpdir(), 'platform-kill-'));
  // Beside the machine's own, because hard links do not cross disks.
  cache = mkdtempSync(`${cacheFolder()}-kill-`);
  await linkCache(cacheFolder(), cache);
});
afterAll(() => {
  for (const folder of [cwd, cache]) rmSync(folder, { recursive: true, force: true });
});

/** One in each part of the time, so that no part of a run is missed; the longest last. */
function planned(): { argv: readonly string[]; afterMs: number }[] {
  const random = createRandom(SEED).fork('kill-anywhere');
  return RUNS.flatMap(({ argv, kills, overMs }) =>
    Array.from({ length: kills }, (_, index) => ({
      argv,
      afterMs: ((index + random.next()) * overMs) / kills,
    })),
  ).sort((a, b) => a.afterMs - b.afterMs);
}

async function doctor(...more: string[]) {
  const { stdout } = await runCommand(['doctor', '--json', ...more], {
    cwd,
    env: { PLATFORM_CACHE: cache },
  });
  const { checks } = JSON.parse(stdout) as { checks: { id: string; found: string }[] };
  return checks.find(({ id }) => id === 'leftovers')!.found;
}

it.runIf(process.platform === 'linux')(
  'leaves nothing that is neither cleaned up nor reported by doctor',
  async () => {
    // The longest first, so that the lanes end at about the same time.
    const left = planned();
    const killed: KilledRun[] = [];
    const lane = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop())
        killed.push(await killAt(next.argv, next.afterMs, { cwd, cache }));
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    expect(killed).toHaveLength(KILLS);
    expect(killed.map(({ exitOutput }) => exitOutput).filter((output) => output !== null)).toEqual(
      [],
    );
    const mostProcesses = Math.max(...killed.map(({ processes }) => processes.length));
    expect(mostProcesses).toBeGreaterThan(5); // PostgreSQL alone has more: a whole testbed was killed.
    expect(killed.flatMap(({ ports }) => ports).length).toBeGreaterThan(5);

    const remains = () => findRemainsOf(cache, killed);
    await expect.poll(remains, { timeout: REAPER_MS }).toEqual([]);
    expect(await doctor()).toBe('none');

    // Without its reaper nothing is cleaned up: doctor must report it.
    killed.push(await killAt(TURN, ['redis', 'postgres'], { cwd, cache, withReaper: true }));
    expect(await remains()).not.toEqual([]);
    expect(await doctor()).toMatch(/^1 killed run: .*\((?=.*redis).*still running\)$/);
    expect(await doctor('--clean')).toBe('none');
    expect(await remains()).toEqual([]);
  },
);
