// kill -9 of the command at 20 random moments of a run: whatever it had started is gone soon after. Three runs at a
// time on one cache, so that reapers and next runs clean up side by side. With the reaper killed as well, doctor
// names what is left and removes it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cacheFolder } from '../sim/effects/process/cache.ts';
import { createRandom } from '../sim/pure/random.ts';
import { command } from './fixtures/command.ts';
import { type KilledRun, killAt, linkedCache, remainsOf } from './fixtures/killed-run.ts';

const SEED = 20260504;
const KILLS = 20;
const LANES = 3;
/** Long enough for the start and for every fault of the drill. */
const OVER_MS = 22_000;
/** A reaper gives up after 15 s. */
const REAPER_MS = 16_000;
const ARGV = ['sim', 'turn1', '--quick', '--quiet', '--design', 'after'];

let cwd = '';
let cache = '';
beforeAll(async () => {
  cwd = mkdtempSync(path.join(tmpdir(), 'platform-kill-'));
  // Beside the machine's own, because hard links do not cross disks.
  cache = mkdtempSync(`${cacheFolder()}-kill-`);
  await linkedCache(cacheFolder(), cache);
});
afterAll(() => {
  for (const folder of [cwd, cache]) rmSync(folder, { recursive: true, force: true });
});

/** One in each twentieth of the time, so that no part of a run is missed. */
function moments(): number[] {
  const random = createRandom(SEED).fork('kill-anywhere');
  return Array.from({ length: KILLS }, (_, index) => ((index + random.next()) * OVER_MS) / KILLS);
}

async function doctor(...more: string[]) {
  const { stdout } = await command(['doctor', '--json', ...more], {
    cwd,
    env: { PLATFORM_CACHE: cache },
  });
  const { checks } = JSON.parse(stdout) as { checks: { id: string; found: string }[] };
  return checks.find(({ id }) => id === 'leftovers')!.found;
}

it.runIf(process.platform === 'linux')(
  'leaves nothing that is not cleaned up, or found by doctor',
  async () => {
    // The longest first, so that all lanes end at about the same time.
    const left = moments();
    const killed: KilledRun[] = [];
    const lane = async () => {
      for (let afterMs = left.pop(); afterMs !== undefined; afterMs = left.pop())
        killed.push(await killAt(ARGV, afterMs, { cwd, cache }));
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    expect(killed).toHaveLength(KILLS);
    expect(killed.map(({ lastWords }) => lastWords).filter((words) => words !== null)).toEqual([]);
    const busiest = Math.max(...killed.map(({ family }) => family.length));
    expect(busiest).toBeGreaterThan(5); // PostgreSQL alone is that many: kills did hit whole testbeds.
    expect(killed.flatMap(({ ports }) => ports).length).toBeGreaterThan(5);

    const remains = () => remainsOf(cache, killed);
    await expect.poll(remains, { timeout: REAPER_MS }).toEqual([]);
    expect(await doctor()).toBe('none');

    // Without its reaper there is nobody to clean up: now doctor has to know.
    killed.push(await killAt(ARGV, ['redis', 'postgres'], { cwd, cache, withReaper: true }));
    expect(await remains()).not.toEqual([]);
    expect(await doctor()).toMatch(/^1 killed run: .*\((?=.*redis).*still running\)$/);
    expect(await doctor('--clean')).toBe('none');
    expect(await remains()).toEqual([]);
  },
);
